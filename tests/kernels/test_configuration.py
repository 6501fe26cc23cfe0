"""The launch numbers of kernels are those of the nearest entry of a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from archdsl.components.operators import operators
from archdsl.kernels import configuration as module
from archdsl.kernels.configuration import configuration, read_table

ROOT = Path(module.__file__).parents[1]
TABLES = sorted(ROOT.glob("components/*/*/configurations.json"))


def _entry(number: int, *, kernel: str = "forward", architecture: int = 80, dtype: str = "any", **shape: int) -> dict[str, Any]:
    use = {"num_warps": 4, "num_stages": 2, "BLOCK": number}
    return {"kernel": kernel, "architecture": architecture, "dtype": dtype, "shape": shape, "use": use, "measured": None}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the architecture that is launched for."""

    def on(architecture: int) -> None:
        monkeypatch.setattr(module, "architecture", lambda: architecture)

    on(90)
    return on


def _found(folder: Path, entries: list[dict[str, Any]], dtype: torch.dtype = torch.bfloat16, **shape: int) -> int:
    table = folder / f"{len(list(folder.iterdir()))}.json"
    table.write_text(json.dumps(entries))
    return configuration(table, "forward", torch.empty(0, dtype=dtype), **shape)["BLOCK"]


def test_the_nearest_shape_is_taken_by_ratio(tmp_path: Path, here: Any) -> None:
    entries = [_entry(1, head_dim=16), _entry(2, head_dim=64)]
    for size, number in ((8, 1), (31, 1), (33, 2), (500, 2)):
        assert _found(tmp_path, entries, head_dim=size) == number
    # axes that an entry does not name are as near as can be
    assert _found(tmp_path, [_entry(1, head_dim=16, keys=9), _entry(2, head_dim=17)], head_dim=16, keys=900) == 2


def test_an_architecture_uses_the_entries_of_the_greatest_below(tmp_path: Path, here: Any) -> None:
    entries = [_entry(1, architecture=80, d=8), _entry(2, architecture=90, d=8)]
    for architecture, number in ((80, 1), (86, 1), (89, 1), (90, 2), (120, 2), (75, 1)):
        here(architecture)
        module._found.cache_clear()
        assert _found(tmp_path, entries, d=8) == number


def test_a_number_format_of_its_own_goes_before_any(tmp_path: Path, here: Any) -> None:
    entries = [_entry(1, d=8), _entry(2, dtype="float32", d=8)]
    assert _found(tmp_path, entries, torch.float32, d=8) == 2
    assert _found(tmp_path, entries, torch.bfloat16, d=8) == 1
    # where there is neither, what there is
    assert _found(tmp_path, entries[1:], torch.bfloat16, d=8) == 2


def test_a_kernel_without_an_entry_is_told(tmp_path: Path, here: Any) -> None:
    with pytest.raises(LookupError, match="has no entry for `forward`"):
        _found(tmp_path, [_entry(1, kernel="backward")], d=8)


def test_what_is_given_is_a_copy(tmp_path: Path, here: Any) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps([_entry(1, d=8)]))
    configuration(table, "forward", torch.empty(0), d=8).clear()
    assert configuration(table, "forward", torch.empty(0), d=8)["BLOCK"] == 1


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.parent.name)
def test_the_tables_of_the_package_are_whole(table: Path) -> None:
    entries = read_table(table)
    assert entries
    for entry in entries:
        assert entry.architecture in (80, 90)
        assert entry.dtype in ("any", "float32", "bfloat16", "float16")
        assert set(entry.use) >= {"num_warps", "num_stages"}
        assert entry.measured is None or isinstance(entry.measured, str)
        assert all(type(size) is int and size > 0 for size in entry.shape.values())
    places = [(entry.kernel, entry.architecture, entry.dtype, tuple(sorted(entry.shape.items()))) for entry in entries]
    assert len(places) == len(set(places)), "an entry stands twice"
    # what is found for 8.0 serves the newer ones as well
    assert {entry.kernel for entry in entries} == {entry.kernel for entry in entries if entry.architecture == 80}


def test_every_operator_has_a_table() -> None:
    assert len(TABLES) == len(operators())
