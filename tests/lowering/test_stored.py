"""Goldens are read with care: a file that is no golden is one error, not a comparison that cannot fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archdsl.source.diagnostic import SpecError
from archdsl.testing.stored import Goldens

SOUND = {
    "spec": "small",
    "model": "small",
    "input_shape": [2, 3, 8, 8],
    "keys": [["head.bias", [4], "float32"], ["norm.num_batches_tracked", [], "int64"]],
    "logits_head": [[0.5, 1], [2, 3.5]],
    "logits_std": 1.5,
    "logits_l2": 4,
    "tolerance": 1e-5,
}


def _read(folder: Path, **changed: object) -> Goldens:
    (folder / "small.json").write_text(json.dumps({**SOUND, **changed}))
    return Goldens(folder)


def test_a_sound_one_is_found_by_its_spec(tmp_path: Path) -> None:
    (found,) = _read(tmp_path).of("small", None)
    assert (found.name, tuple(found.size), found.tolerance, found.fuse) == ("small", (8, 8), 1e-5, False)
    assert _read(tmp_path).of("other", None) == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"tolerance": float("inf")},
        {"tolerance": float("nan")},
        {"tolerance": True},
        {"logits_std": 0},
        {"logits_l2": -1},
        {"logits_head": []},
        {"logits_head": [[0.5, 1]]},
        {"logits_head": [[0.5, 1], [2]]},
        {"logits_head": [[], []]},
        {"logits_head": [[0.5, float("nan")], [2, 3]]},
        {"input_shape": [2, 3, 8]},
        {"input_shape": [2, 3, 8, 0]},
        {"keys": [["head.bias"]]},
        {"keys": [["head.bias", [-4], "float32"]]},
        {"keys": [["head.bias", [4], "load"]]},
        {"keys": [[3, [4], "float32"]]},
    ],
)
def test_what_is_no_golden_is_refused_with_its_place(changed: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        _read(tmp_path, **changed).of("small", None)
    (found,) = caught.value.diagnostics
    assert found.slug == "unreadable-file"
    assert "small.json" in found.message
    assert f"`{next(iter(changed))}`" in found.message
    assert found.help
