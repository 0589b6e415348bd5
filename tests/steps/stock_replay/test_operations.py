"""The host's own unit tests of jwst.coron's functions (jwst 3.0.0), put to our operations.

The numbers are the host's. Where ours differ on purpose, the test says so.
"""

import numpy as np
import pytest

from coronx.ops.alignment import clean_exposure
from coronx.ops.images import Images
from coronx.ops.klip import kl_basis
from coronx.ops.median import fill_local_median
from coronx.ops.psf_subtraction import subtract_psf
from coronx.ops.registration import Template
from coronx.ops.shift import shift_image
from tests.steps.stock_replay.host_frames import DNU, NONSCI


def shift_subtract(params, reference, target, mask):
    """Return the residual in the host's convention: the mask multiplies it."""
    dx, dy, beta = params
    return ((target - beta * shift_image(reference, np.array([dx, dy]))) * mask).ravel()


def fit(reference, targets, mask):
    """Fit in the host's convention: the shift to be undone, and the scale, a row for each."""
    found = Template(reference, mask**2).register(targets, [None] * len(targets))
    return np.column_stack([-found.shift, found.scale]), found.shift


@pytest.fixture
def ramp():
    """Return a reference, a target and a mask of 3 x 5 pixels."""
    target = np.arange(15.0).reshape(3, 5)
    reference = target + 0.1
    reference[1:, 0] += [-0.2, 2.3]
    mask = np.ones((3, 5))
    mask[1, 1:3] = 0.0
    return reference, target, mask


@pytest.fixture
def ramps():
    """Return three targets like the ramp."""
    targets = np.repeat(np.arange(15.0).reshape(1, 3, 5), 3, axis=0)
    targets[0] += [[0, 0, 0, -0.5, 0], [0, 0.3, -1.3, 0, 0], [0, 0.7, 0, 0, 0]]
    targets[1] += [[0, 0.7, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0.2, -1.8, 0.8, 0]]
    targets[2] += [[0, 0, 0, 0, 0], [0.8, 0.9, 0.8, 0, 0], [0, 0, -0.5, 0, 0]]
    return targets


def test_fourier_imshift():
    image = np.zeros((5, 5))
    image[1:4, 1:4] = 1.0
    image[2, 2] = 3.0
    truth = [
        [-0.11534368, 0.09685412, -0.31489129, 0.07308346, -0.203199],
        [0.17121927, -0.14163561, 0.5043889, 0.06434016, 0.39715385],
        [0.11266705, -0.06854077, 0.75829127, 2.03638809, 1.36342888],
        [0.04314152, -0.00521786, 0.65394254, 2.4800922, 1.46183018],
        [0.22979281, -0.18803098, 0.7125186, 0.25274376, 0.62498253],
    ]
    np.testing.assert_allclose(shift_image(image, np.array([1.2, 0.6])), truth, atol=1e-6)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_whole_shifts_land_on_the_origin(step):
    image = np.zeros((10, 10))
    image[step, step] = 1.0
    moved = shift_image(image, np.array([-step, -step]))
    assert abs(moved[0, 0] - 1.0) < 1e-12
    moved[0, 0] = 0.0
    np.testing.assert_allclose(moved, 0.0, atol=1e-12)


def test_shift_subtract(ramp):
    truth = [
        [0.65830479, 1.38243832, 0.46556956, 1.24234379, 0.17542511],
        [-4.85323936, 0.0, 0.0, -3.06869101, -3.70808286],
        [-0.03657461, 2.61462573, 2.73619353, 2.81983023, 2.56214928],
    ]
    result = shift_subtract((0.2, -0.3, 1.0), *ramp)
    np.testing.assert_allclose(result, np.ravel(truth), atol=1e-6)


def test_the_fit_minimises_that_residual(ramp):
    # The mask multiplies the residual, so a least-squares weight is its square.
    (found,), _ = fit(ramp[0], [ramp[1]], ramp[2])
    least = np.sum(shift_subtract(found, *ramp) ** 2)
    for nudge in 0.01 * np.concatenate([np.eye(3), -np.eye(3)]):
        assert np.sum(shift_subtract(found + nudge, *ramp) ** 2) > least


def test_align_fourier_lsq(ramp):
    # To 2e-5 where the host has 1e-6: the energy is interpolated, which tells on 3 x 5 pixels.
    reference, target, mask = ramp
    found, _ = fit(reference, [target], mask)
    np.testing.assert_allclose(found, [[-0.0899215, -0.01831958, 0.96733475]], atol=2e-5)


def test_align_array(ramps):
    reference = np.arange(15.0).reshape(3, 5)
    reference += [[0.5, 0, 1.3, 0, 0], [0, 0, -0.4, 0, -0.6], [0, 0, -1.4, 0, 0]]
    mask = np.ones((3, 5))
    mask[1, 1:3] = 0.0
    found, shifts = fit(reference, ramps, mask)
    truth = [
        [-0.00773077, -0.01635325, 1.02677575],
        [-0.08423515, -0.01487977, 1.0143966],
        [0.00768275, -0.03127504, 1.02081983],
    ]
    np.testing.assert_allclose(found, truth, atol=1e-4, rtol=1e-5)
    aligned = [shift_image(t, s) for t, s in zip(ramps, shifts, strict=True)]
    truth = [
        [
            [0.12432412, 1.08545608, 2.13530046, 2.58060399, 4.11698591],
            [4.81329092, 6.07738984, 5.50928942, 7.7584455, 8.82976601],
            [10.10986446, 11.78015814, 12.07965768, 13.0802872, 14.11918026],
        ],
        [
            [0.27298558, 1.55238983, 2.16767105, 2.83462221, 4.31946497],
            [5.06350107, 5.58666974, 6.89508812, 7.57902246, 9.00320211],
            [10.17131384, 11.2266214, 10.30098165, 13.46529354, 14.46117244],
        ],
        [
            [0.15066264, 1.18760843, 2.14701273, 3.22159633, 4.17955834],
            [5.4048206, 6.54242247, 7.4322509, 7.63745739, 8.60847585],
            [10.19237215, 11.23021861, 11.70579103, 13.20361126, 14.15614128],
        ],
    ]
    np.testing.assert_allclose(aligned, truth, atol=1e-3)


def test_align_models(ramps):
    mask = np.ones((3, 5))
    mask[1, 1:3] = 0.0
    single = ramps.astype(np.float32)
    _, shifts = fit(single[0], single, mask)
    aligned = np.array([shift_image(t, s) for t, s in zip(single, shifts, strict=True)])
    truth = [[10.0, 11.7, 12.0], [10.0, 11.2, 10.2]]
    np.testing.assert_allclose(aligned[:2, 2, :3], truth, rtol=1e-2)


def test_karhunen_loeve_transform(ramps):
    basis = kl_basis(ramps, truncate=50)
    # The host divides the matrix by the number of pixels less one; vectors have either sign.
    np.testing.assert_allclose(
        basis.eigenvalues / 14, [59.09269614, 0.22691493, 0.16324608], atol=1e-6
    )
    vectors = basis.weights * np.sqrt(basis.eigenvalues)
    truth = [
        [-0.59148838, -0.78859008, -0.16812845],
        [-0.56851174, 0.55574161, -0.60658525],
        [-0.57178309, 0.2632051, 0.77703743],
    ]
    np.testing.assert_allclose(np.abs(vectors), np.abs(truth), atol=1e-6)
    modes = basis.modes[1:, [0, 5, 7, 12, 14]]
    truth = [
        [0.42288619, 0.10593695, 0.01225229, -0.2541062, -0.42004212],
        [-0.16042986, 0.04286651, 0.65210377, -0.59112697, 0.0780142],
        [-0.08789825, 0.33098098, 0.47863215, 0.39578645, -0.06637896],
    ]
    np.testing.assert_allclose(
        modes * np.sign(modes[:, :1]), truth * np.sign(truth)[:, :1], atol=1e-6
    )


def test_klip():
    target = [
        [0.84456396, 0.75297576, 0.79752606, 1.2884853],
        [0.98718196, 0.83042985, 0.76917756, 0.9760479],
        [1.4539411, 1.1395805, 0.9635729, 0.92798233],
    ]
    references = [
        [
            [0.8174741, 0.74938107, 0.73527235, 1.3193785],
            [1.0032778, 0.8247719, 0.78944355, 0.99227476],
            [1.4609907, 1.1605016, 0.9564753, 0.9186427],
        ],
        [
            [0.86789674, 0.7998908, 0.8557136, 1.2926395],
            [0.97756547, 0.7788742, 0.75892323, 0.9819151],
            [1.495664, 1.1455023, 1.002115, 0.92159164],
        ],
        [
            [0.84426856, 0.7719569, 0.8088021, 1.2781427],
            [0.98734635, 0.8125992, 0.77424014, 0.9934157],
            [1.419994, 1.1546139, 0.961317, 0.95088667],
        ],
    ]
    truth = [
        [0.00677787, -0.01639403, 0.00753349, -0.00190761],
        [-0.00016282, 0.02299659, -0.00647708, -0.00992276],
        [0.00798155, -0.00867007, -0.00287747, 0.00112234],
    ]

    def images(values):
        data = np.array(values, np.float32)
        return Images(data, np.full_like(data, 0.01), np.zeros(data.shape, bool))

    done = subtract_psf(images([target, target]), images(references), truncate=(50,))
    np.testing.assert_allclose(done.residual, [[truth, truth]], atol=1e-6)
    # The host's ERR is rounding here, three modes of three references; ours is an error.
    assert (done.err > 1e-3).all()


@pytest.mark.parametrize(("blank", "outside"), [(NONSCI, 0.0), (0, 7.0)], ids=["MIRI", "NIRCam"])
def test_median_replace_img(blank, outside):
    data = np.full((2, 24, 24), 7.0, np.float32)
    flags = np.zeros(data.shape, np.uint32)
    flags[:, 5, 5] = DNU
    data[:, 8, 8] = data[:, 16, 16] = np.nan
    flags[:, 12, 12] = NONSCI | DNU
    flags[:, 16, 16] = NONSCI
    frames = clean_exposure(
        data, np.ones_like(data), flags,
        bad_bits=DNU, box=3, blank=blank, repaired=0, unusable=0,
    )  # fmt: skip
    assert (frames.data[:, [5, 8], [5, 8]] == 7.0).all()
    assert (frames.data[:, [12, 16], [12, 16]] == outside).all()


def test_median_fill_without_good_pixels_is_zero():
    ones = np.ones((10, 10))
    assert (fill_local_median(ones, ones > 0.0) == 0.0).all()
    assert (fill_local_median(ones * np.nan, ones < 0.0) == 0.0).all()
