"""FRC curve by the package frc (DIPlib): `python frc_curve.py first.npy second.npy curve.npy`."""

import sys

import frc
import numpy as np

np.save(sys.argv[3], frc.two_frc(np.load(sys.argv[1]), np.load(sys.argv[2])))
