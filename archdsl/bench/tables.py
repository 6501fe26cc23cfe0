"""What was measured or counted, as tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from archdsl.bench.result import Case, Result, Row
from archdsl.bench.traffic import NO_KERNEL, Traffic, total
from archdsl.bench.traffic import Row as TrafficRow
from archdsl.report.table import Table

_MEBIBYTE = 2**20


def result_table(result: Result, *, images: bool) -> Table:
    """The rows of all cases. With `images` it tells images a second, without it the share of the roofline."""
    header = ("", "work", "way", "ms", "ratio", "of rounds", "memory", "images/s" if images else "of roofline")
    rows: list[tuple[str, ...]] = []
    for case in result.cases:
        for row in case.rows:
            rows.append((case.name, row.work, _way(row), *_numbers(row, result.batch if images else None)))
    return Table(header, tuple(_blanked(rows)), frozenset({3, 4, 5, 6, 7}))


def notes(result: Result) -> list[str]:
    """What is said below a table: what is not in it and why, and what compiling took."""
    told = [f"ratio: to {_bases(result.cases)}, in the same round; [20 %, 80 %] of the rounds"]
    if not any(row.memory is not None for case in result.cases for row in case.rows):
        told.append("memory: not measured on the CPU")
    reasons = {f"{absent.name}: {absent.reason}": None for case in result.cases for absent in case.absent}
    told += [f"not measured: {reason}" for reason in reasons]
    for case in result.cases:
        told += [f"compiled for {case.name}: {way} in {spent:.0f} s" for way, spent in (case.compiling or {}).items()]
    return told


def network_table(rows: list[TrafficRow], whole: Traffic) -> Table:
    """Megabytes by site, of all token mixers and of the whole network, and how many times as much as with kernels."""
    header = (
        *("MB", "", "", "reference", "reference", "kernels", "kernels", "", "eager:", "compiled:", "kernels:"),
        *("", "token mixer", "sites", "eager", "compiled", "eager", "compiled", "minimum", "kernels", "kernels", "minimum"),
    )
    header = tuple("\n".join(pair).strip("\n") for pair in zip(header[:11], header[11:], strict=True))
    cells = [(row.name, _component(row), str(row.count), *_network_cells(row.traffic)) for row in rows]
    cells.append(("token mixers", "", str(sum(row.count for row in rows)), *_network_cells(total(rows))))
    cells.append(("whole network", "", "", *_network_cells(whole)))
    return Table(header, tuple(cells), frozenset(range(2, 11)))


def operator_table(rows: list[TrafficRow]) -> Table:
    """Megabytes at each shape, and how many times as much as the kernel moves."""
    header = ("MB", "reference, eager", "compiled", "kernel", "minimum", "eager: kernel", "compiled: kernel")
    cells = [
        (
            row.name,
            *map(_megabytes, (row.traffic.reference, row.traffic.compiled, row.traffic.kernels, row.traffic.minimum)),
            _times(row.traffic.reference, row.traffic.kernels),
            _times(row.traffic.compiled, row.traffic.kernels),
        )
        for row in rows
    ]
    return Table(header, tuple(cells), frozenset(range(1, 7)))


def traffic_notes(rows: list[TrafficRow], whole: Traffic | None) -> list[str]:
    """What is said below the table, of an operator or of a whole network."""
    each = "the operator reads its arguments once" if whole is None else "every component reads its input and weights once"
    told = [
        "compiled: inductor's kernels after fusion, lowered as for the CPU; on CUDA about the same fuses, not exactly",
        f"minimum: {each}, and writes its output once",
    ]
    reasons = (f"no kernel for `{row.component}`: {row.reason}" for row in rows if row.reason not in (None, NO_KERNEL))
    return told + list(dict.fromkeys(reasons))


def traffic_document(rows: list[TrafficRow], whole: Traffic | None) -> dict[str, object]:
    """The same as plain data, in bytes."""
    found: dict[str, object] = {"rows": [asdict(row) for row in rows]}
    if whole is not None:
        found |= {"token_mixers": asdict(total(rows)), "network": asdict(whole)}
    return found


def _component(row: TrafficRow) -> str:
    return row.component if row.reason is None else f"{row.component} (no kernel)"


def _network_cells(traffic: Traffic) -> tuple[str, ...]:
    return (
        *map(_megabytes, traffic.values()),
        _times(traffic.reference, traffic.kernels),
        _times(traffic.compiled, traffic.kernels_compiled),
        _times(traffic.kernels_compiled, traffic.minimum),
    )


def _megabytes(count: int) -> str:
    """Of a million bytes each."""
    return f"{count / 1e6:_.1f}"


def _times(one: int, other: int) -> str:
    return f"{one / other:.1f}x" if other else ""


def _way(row: Row) -> str:
    return f"{row.way} ({row.mode})" if row.mode else row.way


def _numbers(row: Row, images: int | None) -> tuple[str, ...]:
    if row.milliseconds is None:
        return (row.failed or "", "", "", "", "")
    memory = "" if row.memory is None else f"{row.memory / _MEBIBYTE:_.0f} MiB"
    last = f"{images / row.milliseconds * 1e3:_.1f}" if images else ""
    if row.share is not None and images is None:
        last = f"{row.share * 100:.0f} % ({row.limit})"
    return f"{row.milliseconds:.4g}", f"{row.ratio:.2f}", f"[{row.low:.2f}, {row.high:.2f}]", memory, last


def _bases(cases: Iterable[Case]) -> str:
    return " or ".join(dict.fromkeys(f"`{case.base}`" for case in cases if case.base)) or "nothing"


def _blanked(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rows that do not say again what the row above says in the first two columns."""
    shown = []
    before = ("", "")
    for row in rows:
        name = "" if row[0] == before[0] else row[0]
        work = "" if row[:2] == before else row[1]
        shown.append((name, work, *row[2:]))
        before = row[0], row[1]
    return shown
