"""The front end knows the attributes of torch modules without importing torch."""

from __future__ import annotations

from torch import nn

from archdsl.ir.reserved import RESERVED


def test_the_list_has_every_attribute_of_a_module() -> None:
    own = {name for name in dir(nn.Module()) if not name.startswith("__")}
    assert own - RESERVED == set()
