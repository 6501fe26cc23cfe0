"""Kernels that a map has no place for. Free of torch."""

from __future__ import annotations

from archdsl.schema.component import Site
from archdsl.schema.units import Size


def require_fit(site: Site, size: Size, out: Size, *, what: str = "the kernel") -> None:
    """Refuse a map of `size` where `what`, the value of the field `kernel`, has no place, so that `out` is empty."""
    site.require(
        min(out) >= 1,
        f"{what} must fit into the padded map",
        field="kernel",
        label=f"the map is {size} here",
        help="use a larger input, or a smaller `kernel`",
    )
