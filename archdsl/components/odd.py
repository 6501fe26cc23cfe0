"""Windows and kernels that need a middle. Free of torch."""

from __future__ import annotations

from archdsl.schema.component import Site
from archdsl.schema.units import Size


def require_odd(site: Site, field: str, size: Size, message: str) -> None:
    """Refuse the value `size` of `field` with `message` unless its height and its width are odd."""
    site.require(
        size.height % 2 == 1 and size.width % 2 == 1,
        message,
        field=field,
        label=f"{size} is even",
        help=f"choose an odd size, such as {Size(size.height | 1, size.width | 1)}",
    )
