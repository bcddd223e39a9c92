"""Writes scikit-beam's g2 of a stack, in the environment where scikit-beam works.

scikit_beam_g2.py STACK.npy LABELS.npy LEVELS BUFFERS OUT.npz: `lags`, and `g2` by lag and region."""

import sys

import numpy as np
from skbeam.core.correlation import multi_tau_auto_corr

stack, labels, levels, buffers, out = sys.argv[1:]
g2, lags = multi_tau_auto_corr(int(levels), int(buffers), np.load(labels), np.load(stack))
np.savez(out, g2=g2, lags=lags)
