"""Writes cctbx's merging statistics of a table, in the environment that has cctbx.

cctbx_merging.py TABLE.npz OUT.json: `hkl`, `intensity`, `sigma`, `cell` and `space_group` of the table."""

import json
import sys

import numpy as np
from cctbx import crystal, miller
from cctbx.array_family import flex
from iotbx.merging_statistics import merging_stats

table = np.load(sys.argv[1])
symmetry = crystal.symmetry(
    unit_cell=tuple(table["cell"].tolist()), space_group_symbol=str(table["space_group"])
)
indices = flex.miller_index([tuple(hkl) for hkl in table["hkl"].tolist()])
observed = miller.set(symmetry, indices, anomalous_flag=False).array(
    data=flex.double(table["intensity"].tolist()), sigmas=flex.double(table["sigma"].tolist())
)
observed = observed.set_observation_type_xray_intensity()
found = merging_stats(observed, sigma_filtering=None)
# For σ-τ, cctbx floors the variance of a merged intensity at that of observations with σ = 1: far below any in these units.
in_unit = observed.map_to_asu().sort("packed_indices")
scaled = in_unit.customized_copy(data=in_unit.data() * 1e6)
with open(sys.argv[2], "w") as file:
    json.dump(
        {
            "observations": found.n_obs,
            "unique": found.n_uniq,
            "multiplicity": found.mean_redundancy,
            "r_merge": found.r_merge,
            "r_meas": found.r_meas,
            "r_pim": found.r_pim,
            "cc_half": scaled.cc_one_half_sigma_tau(),
            "cc_half_random": miller.compute_cc_one_half(unmerged=in_unit, n_trials=50),
        },
        file,
    )
