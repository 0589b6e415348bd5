"""What each coronagraphic step reads and writes in a run of the pipeline with every step on."""

from coronx.pipelines._chain import CHAIN
from tests.contract.registry_rows import CORON_STEPS

# What each step is given: the products of the pipeline that it reads.
READS = {
    "coronx_stack_refs": [[f"psfstar_{n:05d}_nrcalong_a3001_recenter" for n in (1, 2, 3)]],
    "coronx_align_refs": ["target_00002_nrcalong_a3001_recenter", "target_f356w_psfstack"],
    "coronx_klip": [
        "target_00002_nrcalong_a3001_recenter",
        "target_00002_nrcalong_a3001_psfalign",
    ],
    "coronx_hlsp": ["target_f356w_i2d"],
}
SUBTRACTED = [
    [f"target_{n:05d}_nrcalong_a3001_{suffix}" for n in (1, 2)] for suffix in ("psfsub", "psfalign")
]
READS |= {f"coronx_{name}": SUBTRACTED for name in ("detect", "contrast", "extract")}
# What the pipeline does not do.
ASIDE = {"coronx_inject", "coronx_forward"}
READS["coronx_inject"] = [[f"target_{n:05d}_nrcalong_calints" for n in (1, 2)]]
READS["coronx_forward"] = [names[:1] for names in SUBTRACTED]
# What each writes, given an input of that name.
WRITES = {
    "coronx_stack_refs": {"target_f356w_psfstack": "psfstack"},
    "coronx_align_refs": {"target_00002_nrcalong_a3001_psfalign": "psfalign"},
    "coronx_klip": {
        "target_00002_nrcalong_a3001_psfsub": "psfsub",
        "target_00002_nrcalong_a3001_psfmodel": "psfmodel",
    },
    "coronx_hlsp": {"target_f356w_snr": "snr", "target_f356w_contrast": "contrast"},
    "coronx_detect": {"target_f356w_detect": "detect"},
    "coronx_contrast": {"target_f356w_limits": "limits"},
    "coronx_extract": {"target_f356w_extract": "extract"},
    "coronx_inject": {f"target_{n:05d}_nrcalong_injected": "injected" for n in (1, 2)},
    "coronx_forward": {},
}
STATUS = {
    "coronx_stack_refs": "S_PSFSTK",
    "coronx_align_refs": "S_PSFALI",
    "coronx_klip": "S_KLIP",
    "coronx_inject": "S_CXINJ",
}
OPTIONS = {
    "coronx_klip": {"save_psf": True},
    # Where the default would do nothing, or takes long.
    "coronx_remove_frames": {"integrations": ["target_00001*:3"]},
    "coronx_fix_bad_pixels": {"repair": ["localmed"]},
    "coronx_update_nircam_centers": {"any_crpix": True},
    "coronx_coadd_frames": {"ncoadd": 2},
    "coronx_blur_frames": {"sigma": "0.8"},
    "coronx_recenter_frames": {"method": "mask", "measure_only": False},
    "coronx_align_frames": {"recenter": True},
    "coronx_crop_frames": {"npix": ["12"]},
    "coronx_pad_frames": {"npix": ["7", "3", "0", "5"]},
}

# The steps that change exposures read those that the one before them in the chain has saved.
STEMS = ["target_00001", "target_00002", "psfstar_00001", "psfstar_00002"]
SKIES = ["sky_00001", "psfsky_00001"]
BY_NAME = {entry.name: entry for entry in CORON_STEPS}


def _fill_in():
    suffix = "_nrcalong_calints"
    for name in CHAIN:
        if name == "outlier_detection":
            suffix = "_nrcalong_a3001_crfints"
            continue
        entry = BY_NAME[name]
        stems = STEMS
        if list(CHAIN).index(name) <= list(CHAIN).index("subtract_background"):
            stems = [*STEMS, *SKIES]
        made = suffix.rsplit("_", 1)[0] + f"_{entry.suffixes[0]}"
        READS[entry.alias] = [[stem + suffix for stem in stems]]
        left = STEMS if name == "subtract_background" else stems
        WRITES[entry.alias] = {stem + made: entry.suffixes[0] for stem in left}
        STATUS[entry.alias] = entry.status
        suffix = made


_fill_in()
