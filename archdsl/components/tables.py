"""Modules with tables that are no weights: what only sizes decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn


class Tabled(nn.Module):
    """A module whose tables are buffers outside of the state_dict, and computed anew for another number format or device.

    Converted as other buffers are, they would keep the digits of the coarsest format that they went through.
    """

    def tables(self) -> Mapping[str, Tensor]:
        """The tables by name, in the format and on the device of the module's parameters."""
        raise NotImplementedError

    def keep_tables(self) -> None:
        """Make the tables. Called when the parameters are there."""
        for name, table in self.tables().items():
            self.register_buffer(name, table, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        like = next(self.parameters())
        before = (like.dtype, like.device)
        applied = super()._apply(fn, recurse)
        like = next(self.parameters())
        if (like.dtype, like.device) != before:
            self.keep_tables()
        return applied
