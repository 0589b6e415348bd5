"""Put the reference pixel of NIRCam exposures on the mask's centre as measured in flight."""

import logging
import re
from typing import Any

from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.pointing import StarPlace, record_mask, record_star, shift_wcs
from coronx.refdata.modes import MODES, find_mode
from coronx.refdata.nircam_centers import Correction, nircam_centers
from coronx.steps.coron._base import CoronStep

__all__ = ["UpdateNircamCentersStep"]

log = logging.getLogger(__name__)


class UpdateNircamCentersStep(CoronStep):
    """Put the WCS of NIRCam exposures on the mask's measured centre in their filter.

    No pixel changes: CRPIX, gwcs and S_REGION move, and the places of star and mask are
    recorded.
    """

    class_alias = "coronx_update_nircam_centers"
    once = True

    spec = """
        source = option("measured", "table", "siaf", default="measured")  # Whose mask centre
        any_crpix = boolean(default=False)  # Correct a CRPIX that is not SIAF's, too
        suffix = string(default='centers')  # Suffix of the product
    """

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Correct an exposure, or every exposure of an association or a list.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            NIRCam exposures; those of MIRI are returned as they are, marked SKIPPED.

        Returns
        -------
        CubeModel or ModelContainer
            With the same pixels.

        Raises
        ------
        InputError
            If the filter or the aperture is not in the table, or there is no CRPIX.
        """
        self._told: set[tuple[str, Correction]] = set()
        return self.each(init, self._change)

    def _change(self, model: CubeModel) -> CubeModel:
        result = self.copy_of(model)
        instrument = str(model.meta.instrument.name or "")
        if instrument != "NIRCAM":
            log.info("%s: %s has no such table; left as it is", name_of(model), instrument or "?")
            self.mark(result, "SKIPPED")
            return result
        aperture = self._known(model)
        info = model.meta.wcsinfo
        cut = _cut(model, aperture)
        found = nircam_centers().correction(
            aperture,
            model.meta.instrument.filter,
            (info.crpix1 + cut[0], info.crpix2 + cut[1]),
            _release(model),
            source=self.source,
        )
        if not found.known and not self.any_crpix:
            # Exposures of one programme are alike in this.
            level = logging.INFO if (aperture, found) in self._told else logging.WARNING
            self._told.add((aperture, found))
            log.log(
                level,
                "%s: CRPIX (%.2f, %.2f) is neither SIAF's for %s in %s (%.2f, %.2f) nor the "
                "corrected one (%.2f, %.2f): the frames were moved or the WCS was changed. Left "
                "as it is; run this step first, or give --any_crpix=true",
                name_of(model), info.crpix1, info.crpix2, aperture,
                model.meta.prd_software_version or "the newest release",
                *found.reference, *found.goal,
            )  # fmt: skip
            self.mark(result, "SKIPPED")
            return result
        self._correct(result, aperture, found)
        return result

    def _correct(self, result: CubeModel, aperture: str, found: Correction) -> None:
        table = nircam_centers()
        shift_wcs(result, found.dx, found.dy)
        info, record = result.meta.wcsinfo, result.meta.coronx
        x, y = info.crpix1 - 1.0, info.crpix2 - 1.0
        along = table.mask_offset(aperture, self.source)
        record_mask(result, x + along[0], y + along[1])
        star = StarPlace(x, y, f"CRPIX, {found.kind} centre")
        if record.star_x is not None and not str(record.star_source).startswith("CRPIX"):
            # Measured in the frame itself: only its sky position is new.
            star = StarPlace(record.star_x - 1.0, record.star_y - 1.0, record.star_source)
        record_star(result, star)
        record.center_dx, record.center_dy = found.dx, found.dy
        record.center_source = f"{found.kind}, coronx table {table.version}"
        log.info(
            "%s: CRPIX moved by (%+.3f, %+.3f) pixels onto the %s centre of %s",
            name_of(result), found.dx, found.dy, found.kind, aperture,
        )  # fmt: skip
        if found.kind in ("carried", "copied"):
            center, siaf = table.center(aperture, "table"), table.siaf_reference(aperture)
            log.warning(
                "%s: the table's centre of %s was not measured, but %s from elsewhere; the newest "
                "SIAF has it (%+.2f, %+.2f) pixels away",
                name_of(result), aperture, found.kind, siaf[0] - center.x, siaf[1] - center.y,
            )  # fmt: skip

    def _known(self, model: CubeModel) -> str:
        """Return the aperture, or raise an `InputError` if the table cannot help."""
        table, meta = nircam_centers(), model.meta
        mode = find_mode(meta.instrument.coronagraph, meta.subarray.name)
        aperture = meta.aperture.name or (mode.aperture if mode is not None else None)
        for what, value, known in (
            ("APERNAME", aperture, table.siaf),
            ("FILTER", meta.instrument.filter, table.filter_shifts),
        ):
            if value not in known:
                raise InputError(
                    f"{name_of(model)}: {what} = {value} is not in the table of NIRCam's mask "
                    f"centres; leave the exposure out, or skip this step. Known are "
                    f"{', '.join(sorted(known))}"
                )
        if meta.wcsinfo.crpix1 is None or meta.wcsinfo.crpix2 is None:
            raise InputError(f"{name_of(model)}: no CRPIX1, CRPIX2; run assign_wcs on it first")
        return str(aperture)


def _release(model: CubeModel) -> int | None:
    """Return the release of the Project Reference Database that the header names."""
    found = re.search(r"-(\d{3})\b", str(model.meta.prd_software_version or ""))
    return int(found[1]) if found else None


def _cut(model: CubeModel, aperture: str) -> tuple[int, int]:
    """Return how many pixels (x, y) SUBSTRT says were cut off the aperture's lower left corner."""
    area = model.meta.subarray
    for mode in MODES.values():
        if mode.aperture == aperture and None not in (area.xstart, area.ystart):
            return area.xstart - mode.start[0], area.ystart - mode.start[1]
    return 0, 0
