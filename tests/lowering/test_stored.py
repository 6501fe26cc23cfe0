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
        {"tolerance": 10**400},
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
        {"kept": "head"},
        {"kept": [3]},
        {"fill_scale_ndim_ge_2": "2"},
        {"fill_scale_ndim_ge_2": float("nan")},
        {"fill_overrides": {"bias": 1}},
        {"fill_overrides": [["bias", 1]]},
        {"fill_overrides": [["bias", 1, float("inf")]]},
        {"fill_overrides": [[3, 1, 1]]},
        {"fill_overrides": [["(bias", 1, 1]]},
        {"fill_overrides": [["(a+)+$", 1, 1]]},
        {"fill_overrides": [["(a*)*$", 1, 1]]},
        {"fill_overrides": [["(a{1,9}){9}", 1, 1]]},
        {"fill_overrides": [["(?:a|b)", 1, 1]]},
        {"fill_overrides": [["a?" * 9 + "a" * 9, 1, 1]]},
        {"fill_overrides": [["(a|a)" * 9, 1, 1]]},
        {"fill_overrides": [["(" * 99 + ")" * 99 + "a" * 9, 1, 1]]},
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


def test_patterns_of_names_move_tensors(tmp_path: Path) -> None:
    overrides = [["(^|\\.)(ls|ls1|ls2)\\.weight$", 1, 0.1], ["\\.dwconv[12]?\\.\\d$", 0, 4], ["rpb[12]$", 0, 20]]
    assert _read(tmp_path, fill_overrides=overrides, kept=["head.bias"], fill_scale_ndim_ge_2=1.45).of("small", None)


def test_a_file_of_too_many_brackets_is_no_golden(tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text("[" * 100_000)
    with pytest.raises(SpecError, match="it is no JSON"):
        Goldens(tmp_path).of("small", None)
