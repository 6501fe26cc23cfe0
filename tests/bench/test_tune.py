"""Launch numbers found by trying, without a GPU."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from archdsl.bench.tune import climbed, merged, neighbours, table_text, write_table
from archdsl.components.operators import operators
from archdsl.kernels.configuration import Entry, configuration, read_table, tried

LIKE = torch.zeros(1, dtype=torch.bfloat16)


@pytest.fixture(autouse=True)
def architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were a GPU."""
    monkeypatch.setattr("archdsl.kernels.configuration.architecture", lambda: 80)


def entry(kernel: str = "forward", *, warps: int = 4, measured: str | None = None, **shape: int) -> Entry:
    return Entry(kernel, 80, "any", shape, {"BLOCK": 32, "num_warps": warps, "num_stages": 2}, measured)


def written(path: Path, *entries: Entry) -> Path:
    path.write_text(table_text(entries), encoding="utf-8")
    return path


def test_neighbours_differ_in_one_number() -> None:
    found = neighbours({"BLOCK": 16, "COLUMNS": 7, "num_warps": 1, "num_stages": 1})
    assert found == [
        {"BLOCK": 32, "COLUMNS": 7, "num_warps": 1, "num_stages": 1},
        {"BLOCK": 16, "COLUMNS": 7, "num_warps": 2, "num_stages": 1},
        {"BLOCK": 16, "COLUMNS": 7, "num_warps": 1, "num_stages": 2},
    ]


def test_climbing_ends_at_the_fastest() -> None:
    def cost(use: dict[str, int]) -> int:
        return abs(use["BLOCK"] - 128) + abs(use["num_warps"] - 8) + abs(use["num_stages"] - 3)

    asked: list[dict[str, int]] = []

    def faster(candidate: dict[str, int], best: dict[str, int]) -> bool:
        asked.append(candidate)
        return cost(candidate) < cost(best)

    best, count = climbed({"BLOCK": 32, "num_warps": 4, "num_stages": 1}, faster)
    assert best == {"BLOCK": 128, "num_warps": 8, "num_stages": 3}
    assert count == len(asked)
    assert all(one not in asked[:at] for at, one in enumerate(asked))
    assert climbed({"BLOCK": 32}, lambda candidate, best: True, most=1) == ({"BLOCK": 16}, 1)


def test_winners_take_the_places_of_their_entries() -> None:
    old, other = entry(d=8), entry(d=16)
    new, fresh = entry(d=8, warps=8, measured="a GPU"), entry("backward", d=8)
    assert merged([old, other], [new, fresh]) == [new, other, fresh]


def test_a_table_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "configurations.json"
    write_table(path, [entry(d=8)])
    assert configuration(path, "forward", LIKE, d=8)["num_warps"] == 4
    write_table(path, [entry(d=8, warps=8, measured="a GPU")])
    assert len(json.loads(path.read_text())) == 1
    read_table.cache_clear()
    assert read_table(path)[0].measured == "a GPU"


def test_numbers_are_tried_in_place_of_those_of_a_table(tmp_path: Path) -> None:
    table = written(tmp_path / "table.json", entry(d=8))
    with tried({}) as heard:
        assert configuration(table, "forward", LIKE, d=8)["num_warps"] == 4
    ((asked, use),) = heard.items()
    assert (asked.kernel, asked.dtype, asked.shape, use["num_warps"]) == ("forward", "bfloat16", (("d", 8),), 4)
    with tried({asked: {"num_warps": 16}}):
        with tried({}) as heard:
            assert configuration(table, "forward", LIKE, d=8) == {"num_warps": 16}
        assert configuration(table, "forward", LIKE, d=16)["num_warps"] == 4
    assert len(heard) == 1
    assert configuration(table, "forward", LIKE, d=8)["num_warps"] == 4


@pytest.mark.parametrize("name", ["aggregated_attention", "halo_attention", "routing_attention"])
def test_the_tables_of_components_are_written_as_they_are(name: str) -> None:
    folder = Path(operators()[name].kernel().__file__).parent
    table = folder / "configurations.json"
    entries = read_table(table)
    assert entries
    assert json.loads(table_text(merged(entries, entries[:1]))) == json.loads(table.read_text())


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="Triton interprets here, and compiles nothing")
def test_the_measure_of_exponentials_compiles() -> None:
    from archdsl.bench import exponentials
    from archdsl.testing.ahead import compiled

    out = exponentials.room(torch.device("cpu"), multiprocessors=1)
    counted = []
    (found,) = compiled(lambda: counted.append(exponentials.run(out)), 90)
    assert found.spilled == 0
    assert counted == [out.numel() * 512]
