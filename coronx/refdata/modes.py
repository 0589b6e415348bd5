"""The coronagraphic modes of JWST: names, arrays, and where the mask sits in flight.

The figures are those of the SIAF (Science Instrument Aperture File), release
PRDOPSSOC-075; a test compares every one with pysiaf. They stand here as a table so
that no step needs pysiaf, which looks for the network when it is imported.
"""

from dataclasses import dataclass

__all__ = ["MODES", "CoronagraphMode", "find_mode", "plain_mask_name"]


@dataclass(frozen=True)
class CoronagraphMode:
    """One coronagraph on the detector that records it.

    Attributes
    ----------
    name : str
        coronx's name of the mode, for example ``nircam-335r``.
    instrument, detector, coronmsk, subarray, pupil, exp_type : str
        Header values (``INSTRUME``, ``DETECTOR``, ``CORONMSK``, ``SUBARRAY``, ``PUPIL``,
        ``EXP_TYPE``) of its exposures; ``pupil`` is empty for MIRI.
    aperture : str
        SIAF aperture, ``APERNAME`` in headers.
    filters : tuple of str
        Filters offered with the mask.
    shape : tuple of int
        (ny, nx) of the subarray.
    start : tuple of int
        1-based (``SUBSTRT1``, ``SUBSTRT2``), science frame.
    center : tuple of float
        0-based (x, y) of the mask's centre in the subarray, in flight.
    scale : tuple of float
        Pixel scale in arcsec along (x, y).
    v2v3 : tuple of float
        (V2, V3) of the centre in arcsec.
    v3_idl_y_angle : float
        Angle from V3 to the ideal y axis in degrees.
    parity : int
        Sense of rotation between ideal and V2V3 axes.
    """

    name: str
    instrument: str
    detector: str
    coronmsk: str
    subarray: str
    pupil: str
    exp_type: str
    aperture: str
    filters: tuple[str, ...]
    shape: tuple[int, int]
    start: tuple[int, int]
    center: tuple[float, float]
    scale: tuple[float, float]
    v2v3: tuple[float, float]
    v3_idl_y_angle: float
    parity: int


_SHORT = ("F182M", "F187N", "F200W", "F210M", "F212N")
_LONG = (
    "F250M", "F300M", "F277W", "F322W2", "F335M", "F356W", "F360M",
    "F410M", "F430M", "F444W", "F460M", "F480M",
)  # fmt: skip


def _nircam(
    name: str,
    detector: str,
    aperture: str,
    subarray: str,
    size: int,
    start: tuple[int, int],
    ref: tuple[float, float],
    scale: tuple[float, float],
    v2v3: tuple[float, float],
    angle: float,
) -> CoronagraphMode:
    mask = aperture.split("_MASK")[1]
    return CoronagraphMode(
        name=name,
        instrument="NIRCAM",
        detector=detector,
        coronmsk=f"MASKA{mask}",
        subarray=subarray,
        pupil="MASKBAR" if mask.endswith("WB") else "MASKRND",
        exp_type="NRC_CORON",
        aperture=aperture,
        filters=_LONG if detector == "NRCALONG" else _SHORT,
        shape=(size, size),
        start=start,
        center=(ref[0] - 1.0, ref[1] - 1.0),
        scale=scale,
        v2v3=v2v3,
        v3_idl_y_angle=angle,
        parity=-1,
    )


def _miri(
    name: str,
    mask: str,
    filters: tuple[str, ...],
    shape: tuple[int, int],
    start: tuple[int, int],
    ref: tuple[float, float],
    scale: tuple[float, float],
    v2v3: tuple[float, float],
) -> CoronagraphMode:
    lyot = mask == "LYOT_2300"
    subarray = "MASKLYOT" if lyot else f"MASK{mask.split('_')[1]}"
    return CoronagraphMode(
        name=name,
        instrument="MIRI",
        detector="MIRIMAGE",
        coronmsk=mask,
        subarray=subarray,
        pupil="",
        exp_type="MIR_LYOT" if lyot else "MIR_4QPM",
        aperture=f"MIRIM_{subarray}",
        filters=filters,
        shape=shape,
        start=start,
        center=(ref[0] - 1.0, ref[1] - 1.0),
        scale=scale,
        v2v3=v2v3,
        v3_idl_y_angle=4.83544897,
        parity=-1,
    )


_TABLE = (
    _nircam("nircam-210r", "NRCA2", "NRCA2_MASK210R", "SUB640A210R", 640, (392, 1186),
            (321.8, 331.5), (0.03053298, 0.03081381), (127.3738, -405.013621), 0.01874402),
    _nircam("nircam-swb", "NRCA4", "NRCA4_MASKSWB", "SUB640ASWB", 640, (171, 1174),
            (319.2, 335.5), (0.03062429, 0.03091014), (67.316772, -404.936704), 0.03589851),
    _nircam("nircam-335r", "NRCALONG", "NRCA5_MASK335R", "SUB320A335R", 320, (492, 1502),
            (150.2, 174.6), (0.0620165, 0.06283187), (107.370063, -405.069029), 0.07757957),
    _nircam("nircam-430r", "NRCALONG", "NRCA5_MASK430R", "SUB320A430R", 320, (814, 1502),
            (151.3, 175.2), (0.06205534, 0.0628871), (87.328239, -405.045573), 0.17713808),
    _nircam("nircam-lwb", "NRCALONG", "NRCA5_MASKLWB", "SUB320ALWB", 320, (1455, 1508),
            (151.7, 176.9), (0.06235621, 0.06308089), (47.299039, -404.86004), 0.38083964),
    _miri("miri-1065", "4QPM_1065", ("F1065C",), (224, 288), (1, 21),
          (121.18, 113.12), (0.11020964, 0.10910099), (-393.831254, -420.626198)),
    _miri("miri-1140", "4QPM_1140", ("F1140C",), (224, 288), (1, 243),
          (120.75, 113.24), (0.11024593, 0.11065528), (-391.75259, -396.280919)),
    _miri("miri-1550", "4QPM_1550", ("F1550C",), (224, 288), (1, 463),
          (120.75, 114.29), (0.1100977, 0.11096615), (-389.7919, -371.846167)),
    _miri("miri-lyot", "LYOT_2300", ("F2300C",), (304, 320), (1, 719),
          (144.33, 167.88), (0.10974923, 0.11026162), (-389.682935, -337.45666)),
)  # fmt: skip

MODES: dict[str, CoronagraphMode] = {mode.name: mode for mode in _TABLE}


def plain_mask_name(coronmsk: str) -> str:
    """Return the mask's name without the module's letter: MASKA335R and MASK335R are one mask."""
    name = coronmsk.upper()
    return "MASK" + name[5:] if name.startswith("MASKA") else name


def find_mode(coronmsk: str | None, subarray: str | None = None) -> CoronagraphMode | None:
    """Return the mode of a ``CORONMSK`` (and, where given, ``SUBARRAY``) header value, or None.

    Parameters
    ----------
    coronmsk : str or None
        ``CORONMSK``, with or without the module's letter.
    subarray : str or None
        ``SUBARRAY``; a mode read out in another array (full frame, say) is not found, since
        its centre is then elsewhere.
    """
    if not coronmsk:
        return None
    for mode in _TABLE:
        if plain_mask_name(mode.coronmsk) == plain_mask_name(coronmsk) and subarray in (
            None,
            mode.subarray,
        ):
            return mode
    return None
