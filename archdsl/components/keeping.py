"""Parts inside of a component that may be any, if only they keep the shape. Free of torch."""

from __future__ import annotations

from archdsl.schema.component import Component, Site
from archdsl.schema.units import FeatureMap


def require_kept(site: Site, field: str, part: Component, x: FeatureMap) -> None:
    """Refuse `part`, the value of `field`, unless it makes a map of the shape of `x` out of `x`."""
    made = part.shape(x, site)
    site.require(
        made == x,
        f"`{field}` must keep the shape",
        field=field,
        label=f"makes {made} of {x}",
        help="write an activation, such as `gelu`",
    )
