"""What a component that adds or reads tokens asks of a map. Free of torch."""

from __future__ import annotations

from archdsl.schema.component import Site
from archdsl.schema.units import FeatureMap


def require_positions(site: Site, name: str, x: FeatureMap) -> None:
    """Refuse for the component `name` what has neither a grid nor tokens."""
    site.require(
        x.size is not None or bool(x.tokens),
        f"`{name}` needs a map or tokens",
        label="after pooling only channels are left",
        help="move it before the pooling",
    )


def require_no(site: Site, name: str, token: str, x: FeatureMap, help: str) -> None:
    """Refuse for the component `name` a map that has the token already."""
    holds = all(found.name != token for found in x.tokens)
    site.require(holds, f"`{name}` stands once", label=f"the map is {x} here", help=help)
