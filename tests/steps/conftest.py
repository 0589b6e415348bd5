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
