"""Options out of range, or that make no sense."""

import pytest

from tests.pipelines.bad_input.altered_members import PSF, TARGET

# The host leaves a file that it fails to read to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.mark.parametrize(
    "option",
    [
        "--steps.klip.error=none",
        "--steps.klip.strategy=sdi",
        "--steps.klip.sectors=0",
        "--steps.align_refs.median_box_length=-1",
        "--steps.align_refs.max_shift=0.5",
        "--steps.align_refs.mask_convention=opaque",
        "--steps.hlsp.annuli_width=0",
        "--star_center=1",
    ],
)
def test_a_parameter_out_of_range(asn, refused, option):
    message = refused(asn, option)
    name = option.strip("-").partition("=")[0].replace(".", "/")
    assert f"'{name}'" in message
    assert "; see strun coronx_coron3 --help" in message


@pytest.mark.parametrize(
    ("alias", "option"),
    [
        ("coronx_klip", "--sectors=0"),
        ("coronx_align_refs", "--median_box_length=-3"),
        ("coronx_hlsp", "--annuli_width=0"),
    ],
)
def test_a_parameter_out_of_range_for_the_step_alone(asn, refused, alias, option):
    files = [asn.parent / TARGET, asn.parent / PSF][: 1 if alias == "coronx_hlsp" else 2]
    assert f"see strun {alias} --help" in refused(*files, option, alias=alias)


@pytest.mark.parametrize("given", ["-1", "many", "5,-2"])
def test_numbers_of_modes_that_are_none(asn, refused, given):
    assert f"truncate = {given.replace(',', ', ')}" in refused(
        asn, f"--steps.klip.truncate={given}"
    )
    files = [asn.parent / TARGET, asn.parent / PSF]
    refused(*files, f"--truncate={given}", alias="coronx_klip")


def test_bits_that_are_no_flags(asn, refused):
    message = refused(asn, "--steps.align_refs.bad_bits=SATURATED,UNLUCKY")
    assert "bad_bits 'SATURATED,UNLUCKY': not DQ flags; give integers or names" in message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pad_frames", "npix = nothing: 0 numbers of pixels"),
        ("crop_frames", "npix and size: neither is given"),
        ("remove_frames", "integrations, exposures, max_bad_fraction, max_star_offset: none"),
        ("replace_nans", "cval = nan: not a finite number"),
        ("coadd_frames", "bad_bits 'UNLUCKY': not DQ flags"),
        ("recenter_frames", "bad_bits 'UNLUCKY': not DQ flags"),
        ("fix_bad_pixels", "medfilt_size is 4; give an odd number of pixels"),
    ],
)
def test_options_of_the_chain_are_looked_at_before_it_begins(asn, refused, name, message):
    more = {
        "replace_nans": ["cval=nan"],
        "coadd_frames": ["bad_bits=UNLUCKY"],
        "recenter_frames": ["bad_bits=UNLUCKY"],
        "fix_bad_pixels": ["medfilt_size=4"],
    }.get(name, [])
    options = [f"--steps.{name}.{option}" for option in ("skip=false", *more)]
    assert message in refused(asn, *options)
