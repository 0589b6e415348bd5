"""The one table of coronx's steps: class, alias, product suffix, pipeline or not.

The stpipe entry point, the stripping of suffixes from file names, the lazy
public names of the package, the documentation index and the contract tests all
read this table; nothing else lists the steps.
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
    """

    module: str
    cls: str
    alias: str
    suffixes: tuple[str, ...]
    is_pipeline: bool = False


REGISTRY: tuple[Entry, ...] = (
    Entry("coronx.steps.coron.stack_refs", "StackRefsStep", "coronx_stack_refs", ("psfstack",)),
    Entry("coronx.steps.coron.align_refs", "AlignRefsStep", "coronx_align_refs", ("psfalign",)),
    Entry("coronx.steps.coron.klip", "KlipStep", "coronx_klip", ("psfsub", "psfmodel")),
    Entry("coronx.steps.coron.hlsp", "HlspStep", "coronx_hlsp", ("snr", "contrast")),
    Entry("coronx.pipelines.coron3", "Coron3Pipeline", "coronx_coron3", ("i2d",), True),
)

SUFFIXES: tuple[str, ...] = tuple(s for entry in REGISTRY for s in entry.suffixes)


def get_steps() -> list[tuple[str, str, bool]]:
    """Return ``(dotted class, alias, is pipeline)`` of each step, as stpipe's entry point asks."""
    return [(f"{e.module}.{e.cls}", e.alias, e.is_pipeline) for e in REGISTRY]
