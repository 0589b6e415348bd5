import json

import numpy as np
import pytest
from astropy.io import fits

from tests.steps.subtracted_rolls import TRUTH, WIDTH

DITHERS = ((0.6, -0.4), (-0.3, 0.8), (1.1, 0.2), (-0.9, -0.7))


@pytest.fixture(scope="session")
def target(make_exposure):
    return make_exposure(
        "target_00001_nrcalong_calints.fits", seed=1, nints=2, jitter=(0.3, -0.2), roll=20.0
    )


@pytest.fixture(scope="session")
def references(make_exposure):
    """Four exposures of one integration each, dithered by DITHERS."""
    return [
        make_exposure(
            f"psfstar_{n:05d}_nrcalong_calints.fits",
            seed=10 + n,
            nints=1,
            dither=dither,
            is_psf=True,
            brightness=2.0,
        )
        for n, dither in enumerate(DITHERS, start=1)
    ]


@pytest.fixture(scope="session")
def stack(references):
    from coronx import StackRefsStep

    return StackRefsStep.call(references)


@pytest.fixture(scope="session")
def aligned(target, stack):
    from coronx import AlignRefsStep

    return AlignRefsStep.call(target, stack)


@pytest.fixture(scope="session")
def ring():
    """Return where the stars of `make_exposure` are bright, beside the mask."""
    y, x = np.indices((320, 320))
    radius = np.hypot(x - 149.2, y - 173.6)
    return (radius > 12) & (radius < 40)


@pytest.fixture(scope="session")
def gaussian_psf(tmp_path_factory):
    """File with the PSF of `make_exposure`'s companions."""
    y, x = np.indices((21, 21)) - 10.0
    path = tmp_path_factory.mktemp("psf") / "psf.fits"
    fits.writeto(path, np.exp(-0.5 * (x**2 + y**2) / WIDTH**2).astype("f4"))
    return str(path)


def _rolls(make_exposure, stack_of, **options):
    targets = [
        make_exposure(f"target_{n:05d}_nrcalong_calints.fits", seed=n, roll=roll, companion=TRUTH)
        for n, roll in enumerate((30.0, 40.0), start=1)
    ]
    from coronx import AlignRefsStep, KlipStep

    aligned = [AlignRefsStep.call(target, stack_of(targets)) for target in targets]
    pairs = zip(targets, aligned, strict=True)
    return [KlipStep.call(*pair, truncate=4, **options) for pair in pairs], aligned


@pytest.fixture(scope="session")
def subtracted_rolls(make_exposure, stack):
    """Two rolls of a star with a companion, subtracted, and the references aligned to each."""
    return _rolls(make_exposure, lambda _: stack)


@pytest.fixture(scope="session")
def adi_rolls(make_exposure, references):
    """The same rolls, each other's references beside those of other stars."""
    from coronx import StackRefsStep

    return _rolls(
        make_exposure,
        lambda targets: StackRefsStep.call([*references, *targets]),
        strategy="ardi",
        least_rotation=0.5,
    )


@pytest.fixture(scope="session")
def miri_association(make_miri, tmp_path_factory):
    """Two exposures of MIRI in a folder, one of them of a reference star, and their ASN."""
    folder = tmp_path_factory.mktemp("miri")
    models = [make_miri(1), make_miri(2, is_psf=True, nints=2)]
    for model in models:
        model.save(str(folder / model.meta.filename))
    members = [
        {"expname": model.meta.filename, "exptype": exptype}
        for model, exptype in zip(models, ("science", "psf"), strict=True)
    ]
    table = {
        "asn_type": "coron3",
        "asn_rule": "Asn_Lv3Coron",
        "asn_id": "a3001",
        "asn_pool": "none",
        "products": [{"name": "star_f1140c", "members": members}],
    }
    path = folder / "star_asn.json"
    path.write_text(json.dumps(table))
    return path


@pytest.fixture(scope="session")
def members_of():
    """Return a function that gives the (name, type) of an association's members."""

    def members(path):
        (product,) = json.loads(path.read_text())["products"]
        return [(member["expname"], member["exptype"]) for member in product["members"]]

    return members


@pytest.fixture(scope="session")
def rolls(make_exposure):
    """Return two exposures of the science star, 40 degrees apart, with a companion."""
    return [
        make_exposure(
            f"target_{n:05d}_nrcalong_calints.fits",
            seed=n,
            nints=3 - n,
            jitter=(0.2, -0.1),
            roll=roll,
            companion=(60.0, 1.6, -1.2),
        )
        for n, roll in ((1, 20.0), (2, 60.0))
    ]


@pytest.fixture(scope="session")
def roll(rolls):
    return rolls[0]


@pytest.fixture(scope="session")
def rolls_aligned(rolls, references):
    """Return the reference stars and both rolls, aligned to the first roll."""
    from coronx import AlignRefsStep, StackRefsStep

    return AlignRefsStep.call(rolls[0], StackRefsStep.call([*references, *rolls]))


@pytest.fixture(scope="session")
def aligned_roll(roll, stack):
    """Return the reference stars alone, aligned to the first roll."""
    from coronx import AlignRefsStep

    return AlignRefsStep.call(roll, stack)
