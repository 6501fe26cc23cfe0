"""Kernels and strides that a map has no place for. Free of torch."""

from __future__ import annotations

from archdsl.schema.component import Site
from archdsl.schema.units import Size


def require_fit(
    site: Site, size: Size, out: Size, *, what: str = "the kernel", field: str = "kernel", room: str = "the padded map"
) -> None:
    """Refuse a map of `size` where `what`, the value of `field`, has no place in `room`, so that `out` is empty."""
    site.require(
        min(out) >= 1,
        f"{what} must fit into {room}",
        field=field,
        label=f"the map is {size} here",
        help=f"use a larger input, or a smaller `{field}`",
    )
