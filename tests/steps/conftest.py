import json

import pytest

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
