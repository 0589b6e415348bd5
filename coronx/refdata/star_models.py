"""The model of the star for each exposure of a program, each made once."""

from pathlib import Path

from coronx.refdata.modes import CoronagraphMode
from coronx.refdata.psf_data import named_folder
from coronx.refdata.psf_file import StarImage, read_star_image
from coronx.refdata.psf_model import StarModel, star_model
from coronx.refdata.psf_opd import EXAMPLE

__all__ = ["StarModels"]


class StarModels:
    """Models of one star.

    Parameters
    ----------
    image : Path, optional
        File with the star's image, used in place of a simulated one.
    data_path, spectral_type, spectrum
        As `star_model` has them.
    opd : str, optional
        The telescope's wavefront: a file, a folder of files named as MAST names them to choose from
        by date, "none", or by default the example of stpsf's data.
    """

    def __init__(
        self,
        *,
        image: Path | None = None,
        data_path: str | None = None,
        spectral_type: str | None = None,
        spectrum: str | None = None,
        opd: str | None = None,
    ) -> None:
        self._image = image
        self._options = {
            "data_path": data_path, "spectral_type": spectral_type, "spectrum": spectrum,
        }  # fmt: skip
        self._opd = opd
        folder = Path(opd).expanduser() if opd else None
        self._folder = folder if folder is not None and folder.is_dir() else None
        self._made: dict[object, StarModel | StarImage] = {}

    @property
    def trusted(self) -> bool:
        """Whether there is an image, or optics with a wavefront: without it they are no good."""
        if self._image is not None:
            return True
        named = named_folder(self._options["data_path"])
        if named is None or (self._opd or "").lower() == "none":
            return False
        return bool(self._opd) or (named[0] / EXAMPLE).is_file()

    def of(
        self, mode: CoronagraphMode, filter_name: str, date: str | None
    ) -> StarModel | StarImage:
        """Return the model for a mode, filter and date (ISO 8601).

        Raises
        ------
        InputError
            If it cannot be made.
        """
        # The date chooses from a folder alone.
        key = (mode.name, filter_name, date if self._folder else None)
        if key not in self._made:
            if self._image is not None:
                self._made[key] = read_star_image(self._image, mode)
            else:
                self._made[key] = star_model(
                    mode,
                    filter_name,
                    **self._options,
                    opd=None if self._folder else self._opd,
                    opd_folder=self._folder,
                    date=date,
                )
        return self._made[key]
