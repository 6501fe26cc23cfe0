"""The number of heads of attention, given as such or by the channels of a head."""

from __future__ import annotations

from archdsl.schema.component import Site


def require_heads(site: Site, name: str, heads: int | None, head_dim: int | None) -> None:
    """Refuse the component `name` unless one of the two fields is given, and only one."""
    site.require(
        heads is not None or head_dim is not None,
        f"`{name}` needs `heads` or `head_dim`",
        help="add `head_dim = 32`, or the number of heads",
    )
    site.require(
        heads is None or head_dim is None,
        f"`{name}` takes `heads` or `head_dim`, not both",
        field="head_dim",
        label="`heads` is given too",
        help="leave one of them out",
    )


def heads_for(channels: int, heads: int | None, head_dim: int | None) -> int:
    """The number of heads on a map of `channels`, from whichever of the two fields is given."""
    if heads is not None:
        return heads
    assert head_dim is not None
    return channels // head_dim
