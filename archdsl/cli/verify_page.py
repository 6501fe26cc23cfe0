"""What `archdsl verify` found as a page of Markdown, such as that of the packaged specs, and as a JSON document."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from archdsl.api import Spec
from archdsl.cli.verify_table import Reasons
from archdsl.report.table import Table
from archdsl.source.machine import document as diagnostics
from archdsl.testing.stored import Stored
from archdsl.verifying import Compared, Row, Verified

VERSION = 1
"""Version of the JSON document."""

_HEADER = ("spec", "network", "top-1", "input", "parameters", "FLOPs", "published", "status", "golden")
_NUMBERS = frozenset({2, 4, 5})
_TOP_1 = re.compile(r"top-1[^%:]*: ([\d.]+) %")

_PAGE = """\
# Specs

Written by `archdsl verify --markdown`. Each file here holds the arch of its name, and [`KEYMAPS.md`](KEYMAPS.md) tells how
the names of published checkpoints are translated. What is told is counted in closed form and held against what each spec
expects, which `archdsl verify --counts` does anew in about a second. `archdsl verify` proves more, in some minutes: that fvcore
counts the same in the whole module and part by part, and that the spec gives the stored logits. Where either fails, the
command says so, and its page does.

- *network* is the first line of the spec; *top-1* is ImageNet-1k accuracy in percent as its first lines tell it. It was not
  measured here.
- *parameters* are all of the training module; *FLOPs* are those of one image by fvcore's rules, where a multiply-add is one.
  Both are exact. A row with *by* is counted by another rule, which [the language](../grammars/README.md) tells.
- *published* are the numbers of the paper. A number in brackets is that of the reason why the count differs, told below.
- *status*: `holds` where every line that the spec expects does, up to the reasons recorded.
- *golden*: the logits of the published code that are stored for the spec. `archdsl verify` proves that it gives them when it
  loads the published layout, up to the number told, in standard deviations of the logits.

{table}
{reasons}"""


def page(found: Sequence[Verified]) -> str:
    """A page: how to read it, one table, and the reasons."""
    reasons = Reasons()
    rows = tuple(row for spec in found for row in _rows(spec, reasons))
    numbered = "\n".join(f"{number}. {_sentence(reason)}" for number, reason in reasons.numbered())
    table = Table(_HEADER, rows, _NUMBERS).markdown()
    return _PAGE.format(table=table, reasons=f"\n## Reasons\n\n{numbered}\n" if numbered else "")


def document(found: Sequence[Verified]) -> dict[str, Any]:
    """Everything, as plain data."""
    return {"version": VERSION, "holds": all(spec.holds for spec in found), "specs": [_spec(spec) for spec in found]}


def _rows(found: Verified, reasons: Reasons) -> list[tuple[str, ...]]:
    """A row for each size and rule; name, first line and goldens stand in the first."""
    if found.spec is None:
        return [(found.name, "", "", "", "", "", "", "CANNOT BE READ", "")]
    rows: list[tuple[str, ...]] = []
    blank = ("", "", "")
    for at, rule in dict.fromkeys((row.at, row.rule) for row in found.rows):
        group = [row for row in found.rows if (row.at, row.rule) == (at, rule)]
        counts = {row.quantity: f"{row.closed:,}" for row in group}
        cells = (f"{at} by {rule}" if rule != "fvcore" else str(at), counts.get("params", ""), counts.get("flops", ""))
        entries = [each for row in group for each in row.expectations]
        odd = [f"{each.written}{reasons.mark(each)}" for each in entries if not each.bound.exact or each.status == "recorded"]
        name = blank if rows else (f"`{found.name}`", *_opening(found.spec))
        rows.append((*name, *cells, ", ".join(odd), _status(group), "" if rows else _goldens(found)))
    return rows


def _opening(spec: Spec) -> tuple[str, str]:
    """The first line of a spec, and the top-1 that its first lines tell."""
    text = next((loaded.file.source.text for loaded in spec.model.files.values() if loaded.path == spec.path), "")
    lines = [line.lstrip("# ") for line in itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())]
    top_1 = _TOP_1.search(" ".join(lines))
    return (lines[0] if lines else ""), (top_1[1] if top_1 else "")


def _status(rows: Iterable[Row]) -> str:
    """Of the rows of one size and rule."""
    entries = [entry for row in rows for entry in row.expectations]
    if not all(row.equal for row in rows) or any(entry.status == "fails" for entry in entries):
        return "FALLS SHORT"
    return "holds" if entries else "nothing expected"


def _goldens(found: Verified) -> str:
    """The goldens with their tolerances; what was compared holds, or is told to fall short."""
    failed = {each.golden.name for each in found.compared if not each.holds}
    told: dict[str, list[str]] = {}
    for golden in found.goldens:
        told.setdefault(f"{golden.tolerance:.0e}", []).append(f"`{golden.name}`{' FALLS SHORT' * (golden.name in failed)}")
    return "; ".join(f"{', '.join(names)}: {tolerance}" for tolerance, names in told.items()) or "no golden"


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}{'' if reason.endswith('.') else '.'}"


def _spec(found: Verified) -> dict[str, Any]:
    said: dict[str, Any] = {"name": found.name, "holds": found.holds, "fuse": found.fuse, "measured": found.measured}
    if found.spec is not None:
        network = found.spec.network
        file = found.spec.path.as_posix() if found.spec.path else None
        said |= {"file": file, "hash": found.spec.hash, "input": list(network.image.shape), "classes": network.classes}
    compared = {each.golden.name: each for each in found.compared}
    said["counts"] = [_row(row) for row in found.rows]
    said["goldens"] = [_golden(golden, compared.get(golden.name)) for golden in found.goldens]
    said["shortfalls"] = [{"kind": each.kind, "message": each.message} for each in found.shortfalls]
    said["diagnostics"] = diagnostics(found.diagnostics)["diagnostics"]
    return said


def _row(row: Row) -> dict[str, Any]:
    return {
        "quantity": row.quantity,
        "at": list(row.at),
        "by": row.rule,
        "closed": row.closed,
        "fvcore": row.measured,
        "parts": row.parts,
        "equal": row.equal,
        "expected": [
            {
                "written": entry.written,
                "exact": entry.bound.exact,
                "low": entry.bound.low,
                "high": entry.bound.high,
                "because": entry.because,
                "status": entry.status,
            }
            for entry in row.expectations
        ],
    }


def _golden(golden: Stored, compared: Compared | None) -> dict[str, Any]:
    error = compared.error if compared else None
    return {
        "name": golden.name,
        "model": golden.model,
        "source": golden.source,
        "file": golden.path.as_posix(),
        "at": list(golden.size),
        "fuse": golden.fuse,
        "tolerance": golden.tolerance,
        # JSON has no number that is none
        "error": error if error is not None and math.isfinite(error) else None,
        "holds": compared.holds if compared else None,
    }
