"""From the published layout into archdsl's own and back: the same names, the same shapes, the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from archdsl.api import load
from archdsl.checkpoints import keymap_of, packaged_layouts
from archdsl.ir.library import packaged_names
from archdsl.lowering.keymap_reading import read_keymap
from archdsl.lowering.reading import Target, Wanted, read
from archdsl.lowering.weights import official_state
from archdsl.testing.golden import golden

GOLDENS = {path.stem: golden(path.stem) for path in sorted(Path("tests/golden").glob("*.json"))}
SMALL = 30_000_000


def _case(name: str, found: dict[str, Any]) -> Any:
    return pytest.param(name, marks=() if found["params"] <= SMALL else pytest.mark.slow, id=name)


def _numbered(found: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint, all numbers different within one."""
    state = {}
    for key, shape, dtype in found["keys"]:
        if key not in found.get("kept", ()):
            kind = getattr(torch, dtype)
            count = torch.Size(shape).numel()
            state[key] = torch.arange(count, dtype=torch.int64).to(kind).reshape(shape) + len(state)
    return state


@pytest.mark.parametrize("name", [_case(name, found) for name, found in GOLDENS.items()])
def test_official_weights_come_back_as_they_were(name: str) -> None:
    published = GOLDENS[name]
    official = _numbered(published)
    spec = load(f"specs/{published['spec']}.arch", at=tuple(published["input_shape"][2:]), fuse=published.get("fuse", False))
    path = keymap_of(spec)
    assert path is not None
    keymap = read_keymap(path)
    reading = read(official, Target.of_network(spec.network), keymap, Wanted())
    assert reading.layout == "official"
    again = official_state(reading.tensors, keymap)
    assert again.keys() == official.keys()
    for key, tensor in official.items():
        assert (again[key].shape, again[key].dtype) == (tensor.shape, tensor.dtype), key
        assert torch.equal(again[key], tensor), key


# a reconstruction: no weights of its authors are public
NO_LAYOUT = {"s2aformer"}


def test_every_packaged_spec_has_a_key_map_that_fits() -> None:
    known = list(packaged_layouts())
    official = {(one.spec, one.fuse) for one in known if one.layout == "official"}
    # a spec that does not load, and a key map that does not fit, are left aside by `packaged_layouts`
    assert {one.spec for one in known} == set(packaged_names())
    assert {(one.spec, one.fuse) for one in known} - official <= {(name, False) for name in NO_LAYOUT}
