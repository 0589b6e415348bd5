"""The one table of coronx's steps: class, alias, product suffix, status keyword, pipeline or not.

The stpipe entry point, the stripping of suffixes from file names, the keywords that
record what was done, the lazy public names of the package, the documentation index and
the contract tests all read this table; nothing else lists the steps.
"""

from typing import NamedTuple

__all__ = ["REGISTRY", "SUFFIXES", "Entry", "get_steps"]


class Entry(NamedTuple):
    """One step or pipeline of the package.

    Attributes
    ----------
    module : str
        Dotted module in which the class is defined.
    cls : str
        Name of the class.
    alias : str
        Name for ``strun``; global over all installed packages, hence the prefix.
    suffixes : tuple of str
        Suffixes of the products that it writes.
    is_pipeline : bool
        Whether it is a pipeline.
    status : str
        FITS keyword that records whether an exposure went through the step, where the host
        has none for it.
    """

    module: str
    cls: str
    alias: str
    suffixes: tuple[str, ...]
    is_pipeline: bool = False
    status: str = ""

    @property
    def name(self) -> str:
        """The step's name in a pipeline: its alias without the prefix."""
        return self.alias.removeprefix("coronx_")

    @property
    def is_ground(self) -> bool:
        """Whether it is for CCD images from the ground, not for JWST's coronagraphs."""
        return self.module.startswith("coronx.steps.ground.")


def _frames(name: str, cls: str, suffix: str, status: str) -> Entry:
    """Return the row of a step that changes exposures one way and keeps them exposures."""
    return Entry(
        f"coronx.steps.coron.{name}", cls, f"coronx_{name}", (suffix,), status=f"S_{status}"
    )


def _ground(name: str, cls: str, suffix: str, status: str, *more: str) -> Entry:
    """Return the row of a step for CCD images from the ground."""
    suffixes = (suffix, *more)
    return Entry(
        f"coronx.steps.ground.{name}", cls, f"coronx_{name}", suffixes, status=f"S_{status}"
    )


def _pipeline(name: str, cls: str, suffix: str) -> Entry:
    """Return the row of a pipeline for CCD images from the ground."""
    return Entry(f"coronx.pipelines.{name}", cls, f"coronx_{name}", (suffix,), is_pipeline=True)


REGISTRY: tuple[Entry, ...] = (
    _frames("subtract_background", "SubtractBackgroundStep", "bgsub", "CXBKG"),
    _frames("subtract_median", "SubtractMedianStep", "medsub", "CXMED"),
    _frames("fix_bad_pixels", "FixBadPixelsStep", "bpfix", "CXBAD"),
    _frames("replace_nans", "ReplaceNansStep", "nonan", "CXNAN"),
    _frames("update_nircam_centers", "UpdateNircamCentersStep", "centers", "CXCEN"),
    _frames("recenter_frames", "RecenterFramesStep", "recenter", "CXREC"),
    _frames("align_frames", "AlignFramesStep", "aligned", "CXALI"),
    _frames("pad_frames", "PadFramesStep", "padded", "CXPAD"),
    _frames("crop_frames", "CropFramesStep", "cropped", "CXCRO"),
    _frames("coadd_frames", "CoaddFramesStep", "coadded", "CXCOA"),
    _frames("remove_frames", "RemoveFramesStep", "kept", "CXREM"),
    _frames("blur_frames", "BlurFramesStep", "blurred", "CXBLU"),
    _frames("high_pass_filter", "HighPassFilterStep", "hpfilt", "CXHPF"),
    Entry("coronx.steps.coron.stack_refs", "StackRefsStep", "coronx_stack_refs", ("psfstack",)),
    Entry("coronx.steps.coron.align_refs", "AlignRefsStep", "coronx_align_refs", ("psfalign",)),
    Entry("coronx.steps.coron.klip", "KlipStep", "coronx_klip", ("psfsub", "psfmodel")),
    Entry("coronx.steps.coron.hlsp", "HlspStep", "coronx_hlsp", ("snr", "contrast")),
    Entry("coronx.steps.coron.detect", "DetectStep", "coronx_detect", ("detect",)),
    Entry("coronx.steps.coron.contrast", "ContrastStep", "coronx_contrast", ("limits",)),
    Entry("coronx.steps.coron.extract", "ExtractStep", "coronx_extract", ("extract",)),
    _frames("inject", "InjectStep", "injected", "CXINJ"),
    Entry("coronx.steps.coron.forward", "ForwardStep", "coronx_forward", ("forward", "modelsub")),
    Entry("coronx.pipelines.coron3", "Coron3Pipeline", "coronx_coron3", ("i2d",), True),
    _ground("build_master_bias", "BuildMasterBiasStep", "masterbias", "MBIAS"),
    _ground("build_master_dark", "BuildMasterDarkStep", "masterdark", "MDARK"),
    _ground("build_master_flat", "BuildMasterFlatStep", "masterflat", "MFLAT"),
    _ground("measure_read_noise", "MeasureReadNoiseStep", "readnoise", "RNOISE"),
    _ground("find_bad_pixels", "FindBadPixelsStep", "badpix", "BADPIX"),
    _ground("find_bad_columns", "FindBadColumnsStep", "badcols", "BADCOL"),
    _ground("apply_masters", "ApplyMastersStep", "cal", "MASTER"),
    _ground("add_metadata", "AddMetadataStep", "meta", "ADDMET"),
    _ground("remove_cosmic_rays", "RemoveCosmicRaysStep", "crclean", "COSMIC"),
    _ground("fix_ccd_bad_pixels", "FixCcdBadPixelsStep", "ccdfix", "CCDFIX"),
    _ground("measure_background", "MeasureBackgroundStep", "bkg", "BACKGR", "bkgmap"),
    _ground("find_stars", "FindStarsStep", "stars", "STARS"),
    _ground("solve_astrometry", "SolveAstrometryStep", "wcs", "ASTROM"),
    _ground("measure_quality", "MeasureQualityStep", "quality", "MQUAL"),
    _ground("filter_quality", "FilterQualityStep", "passed", "FQUAL", "rejected"),
    _ground("image_arithmetic", "ImageArithmeticStep", "arith", "ARITH"),
    _ground("resample_to_wcs", "ResampleToWcsStep", "resampled", "RESAMP"),
    _ground("combine_images", "CombineImagesStep", "combined", "COMBIN"),
    _ground("subtract_continuum", "SubtractContinuumStep", "consub", "CONTIN"),
    _ground("compose_rgb", "ComposeRgbStep", "rgb", "RGB"),
    _pipeline("calibrate_all", "CalibrateAllPipeline", "calibrated"),
    _pipeline("navigate_all", "NavigateAllPipeline", "navigated"),
    _pipeline("resample_all", "ResampleAllPipeline", "mosaic"),
    _pipeline("ground", "GroundImagingPipeline", "picture"),
)

SUFFIXES: tuple[str, ...] = tuple(s for entry in REGISTRY for s in entry.suffixes)


def get_steps() -> list[tuple[str, str, bool]]:
    """Return ``(dotted class, alias, is pipeline)`` of each step, as stpipe's entry point asks."""
    return [(f"{e.module}.{e.cls}", e.alias, e.is_pipeline) for e in REGISTRY]
