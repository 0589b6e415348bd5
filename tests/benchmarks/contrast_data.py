"""The real frames of the contrast benchmarks: aligned once, the same for all packages.

AU Mic and three reference stars at two rolls each, F356W behind MASK335R (JWST programme 1184).
"""

import os
import shutil
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from astropy.io import fits

__all__ = [
    "CENTER",
    "FWHM",
    "PIXEL",
    "SCIENCE",
    "STARS",
    "Companion",
    "Frame",
    "frames",
    "star_psf",
]

PIXEL = 0.0626  # arcsec: the root of the pixel's area
FWHM = 0.1413 / PIXEL  # pixels: lambda / D of F356W behind the Lyot stop, 5.2 m
SCIENCE = "AU Mic"
STARS = {
    SCIENCE: ("jw01184001001", "jw01184002001"),
    "G 80-21": ("jw01184003001", "jw01184004001"),
    "G 7-34": ("jw01184005001", "jw01184006001"),
    "G 161-71": ("jw01184013001", "jw01184014001"),
}
_STAR = (150, 174)  # 0-based (x, y) in all frames, as their headers have it
_HALF = 145  # of the square that is cut out about the star, to the nearest edge of the frame
CENTER = (float(_HALF), float(_HALF))
_MASK = "psfmask/jwst_nircam_psfmask_mask335r_shift.fits"


@dataclass(frozen=True)
class Frame:
    """One roll of a star with its references aligned to it, the star on `CENTER`.

    Attributes
    ----------
    target, target_err : ndarray (ny, nx)
        NaN where bad.
    references, reference_err : ndarray (nref, ny, nx)
        NaN where bad.
    scale : ndarray (nref,)
        Each reference's speckles over the target's, from the registration.
    roll : ndarray (1,)
        Position angle of V3 at the star, degrees.
    pixel_area : ndarray (1,)
        In steradian.
    """

    target: np.ndarray
    target_err: np.ndarray
    references: np.ndarray
    reference_err: np.ndarray
    scale: np.ndarray
    roll: np.ndarray
    pixel_area: np.ndarray

    def save(self, path: Path) -> None:
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "Frame":
        with np.load(path) as saved:
            return cls(**{field.name: saved[field.name] for field in fields(cls)})

    @property
    def angle(self) -> float:
        """Position angle of the detector's y axis, degrees east of north."""
        # V3I_YANG of these frames is 0.05 deg, and their x axis points to decreasing V2.
        return float(self.roll[0]) - 0.054


def frames(data: Path, star: str, scratch: Path, *, other_roll: bool = False) -> list[Frame]:
    """Return a star's two rolls, aligned; the references are all other stars but AU Mic.

    Last of them is, if so wished, the star itself at its other roll.
    """
    made = []
    for name in STARS[star]:
        path = scratch / f"{name}{'_rolls' if other_roll else ''}.npz"
        if not path.is_file():
            others = [n for s, names in STARS.items() if s not in (star, SCIENCE) for n in names]
            own = [n for n in STARS[star] if n != name and other_roll]
            _align(data, name, others + own).save(path)
        made.append(Frame.load(path))
    return made


def _align(data: Path, target: str, others: list[str]) -> Frame:
    folder = Path(tempfile.mkdtemp(prefix="coronx-bench-crds-"))
    try:
        os.environ["CRDS_PATH"] = str(folder)
        from coronx.simulate.crds_cache import build_crds_cache

        build_crds_cache(folder)
        from stdatamodels.jwst.datamodels import CubeModel

        from coronx import AlignRefsStep, StackRefsStep

        def find(name: str) -> str:
            return str(next((data / "aumic_f356w").glob(f"{name}_*_calints.fits")))

        stack = StackRefsStep.call([find(name) for name in others])
        aligned = AlignRefsStep.call(
            find(target), stack, override_psfmask=str(data / _MASK), per_integration=False
        )
        with CubeModel(find(target)) as science:
            bad = (science.dq[0] & 1) != 0
            return Frame(
                _cut(np.where(bad, np.nan, science.data[0])),
                _cut(np.where(bad, np.nan, science.err[0])),
                _cut(np.where((aligned.dq & 1) != 0, np.nan, aligned.data)),
                _cut(np.where((aligned.dq & 1) != 0, np.nan, aligned.err)),
                np.array(aligned.reference_shifts["scale"], float),
                np.array([fits.getval(find(target), "ROLL_REF", "SCI")]),
                np.array([science.meta.photometry.pixelarea_steradians]),
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cut(images: np.ndarray) -> np.ndarray:
    x, y = _STAR
    part = images[..., y - _HALF : y + _HALF + 1, x - _HALF : x + _HALF + 1]
    return np.asarray(part, dtype=np.float64)


def star_psf(data: Path, *, fov: int = 65) -> np.ndarray:
    """Return the PSF of F356W through MASK335R's Lyot stop, off the mask, (fov, fov).

    Its flux sums to one over an infinite image. The optics are webbpsf's, without a wavefront
    measured in flight, which takes 1 to 2 % from the core.
    """
    from coronx.refdata.modes import MODES
    from coronx.refdata.psf_model import star_model

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in (data / "stpsf_subset").iterdir():
            if path.name != "version.txt":
                (folder / path.name).symlink_to(path.resolve())
        # stpsf asks for its own version, and that this file exists.
        (folder / "version.txt").write_text("2.2.0\n")
        (folder / "JWST_OTE_OPD_none.fits").touch()
        model = star_model(
            MODES["nircam-335r"],
            "F356W",
            data_path=folder,
            spectral_type="M1V",
            opd="none",
            fov_pixels=fov,
        )
        return model.image(occulted=False)


class Companion:
    """A point source anywhere in the frame, the mask's transmission included.

    Parameters
    ----------
    psf : ndarray (n, n)
        PSF centred on its middle pixel, n odd.
    shape : tuple of int
        (ny, nx) of the frames.
    """

    def __init__(self, psf: np.ndarray, shape: tuple[int, int]) -> None:
        from coronx.refdata.modes import MODES
        from coronx.refdata.transmission import occulter

        self.psf = psf
        self.shape = shape
        self.transmission = occulter(MODES["nircam-335r"], shape=shape, center=CENTER)

    def __call__(self, x: float, y: float) -> np.ndarray:
        """Return the frame with a source of unit flux at 0-based (x, y)."""
        from coronx.ops.shift import shift_image

        half = self.psf.shape[0] // 2
        col, row = round(x), round(y)
        wide = np.pad(self.psf, 8)
        moved = shift_image(wide, np.array([x - col, y - row]))[8:-8, 8:-8]
        image = np.zeros(np.add(self.shape, 2 * half))
        image[row : row + 2 * half + 1, col : col + 2 * half + 1] = moved
        image = image[half:-half, half:-half]
        return image * self.transmission[row, col]
