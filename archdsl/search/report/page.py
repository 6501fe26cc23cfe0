"""The page: what the charts draw as data, all else as plain HTML that needs no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from archdsl.report.table import Table
from archdsl.search import results
from archdsl.search.pareto import comparable
from archdsl.search.published import Published, published
from archdsl.search.report.data import chart_data, drawn, embedded
from archdsl.search.report.importance import FEW, importance
from archdsl.search.standing import Row, standing, table, verdict
from archdsl.search.winners import Winner, winning, written
from archdsl.source.cells import safe

if TYPE_CHECKING:
    from archdsl.search.folder import StudyFolder
    from archdsl.search.lock import Lock
    from archdsl.search.trials import History

_HERE = Path(__file__).parent
# the text of a spec takes a tenth of a second
_TOLD = 100
_SELECT = '<label>{label} <select id="{id}"></select></label>'


def write_report(history: History, folder: StudyFolder, path: Path | None = None) -> Path:
    """Write the page, to `report.html` in the folder of the study or to `path`, and return where.

    Raises
    ------
    SpecError: `unwritable-study`.
    """
    from archdsl.search.lock import Lock

    target = path or folder.report
    text = page(history, Lock.read(folder), folder.winners)
    folder.write(target, text)
    return target


def page(history: History, lock: Lock | None, winners: Path, *, beside: Sequence[Published] | None = None) -> str:
    """The page of a study. `winners` is the folder that its specs are written to; the others are as in `results`."""
    from archdsl import __version__

    rows = standing(history, published(history.space) if beside is None else beside)
    specs = tuple(written(history, trial, winners) for trial in winning(history)[:_TOLD])
    data = chart_data(history, rows, _units(history))
    data["specs"] = [[found.trial.index, found.text] for found in specs]
    sections = list(_sections(history, lock, rows, specs))
    script = _read("page.js")
    return Template(_read("page.html")).substitute(
        digest=base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode(),
        version=_text(__version__),
        title=_text(f"Search {history.space.name}"),
        style=_read("page.css"),
        script=script,
        progress=_text(results.progress(history)),
        verdict=_text(verdict(history)),
        contents=" ".join(f'<a href="#{name}">{title}</a>' for name, title, _ in sections),
        sections="\n".join(
            f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>\n{inside}\n</section>'
            for name, title, inside in sections
        ),
        data=embedded(data),
    )


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _text(text: str) -> str:
    """Text from anywhere, as HTML shows it."""
    return escape(safe(text))


def _units(history: History) -> Mapping[str, str]:
    from archdsl.search.objectives.registry import unit

    return {objective.name: unit(objective.name) for objective in history.objectives}


def _sections(
    history: History, lock: Lock | None, rows: Sequence[Row], specs: Sequence[Winner]
) -> Iterator[tuple[str, str, str]]:
    several = len(history.objectives) > 1
    if comparable(history):
        yield "front", "Front" if several else "Trials", _front()
        yield "history", "Best by trial", _history()
    yield "table", "Beside the base", _table(history, rows, specs)
    if specs:
        yield "specs", "Specs", _specs(history, specs)
    if comparable(history):
        yield "importance", "What mattered", _importance(history)
        yield "parallel", "Decisions", _parallel()
    if results.budgets(history).rows:
        yield "budgets", "Budgets", _scrolled(results.budgets(history))
    if results.failures(history).rows:
        yield "failures", "Failures", _scrolled(results.failures(history), long={1})
    yield "settings", "Settings", _scrolled(results.settings(history, lock), long={1})
    yield "again", "Again", f'<pre tabindex="0">{_text(results.again(history, lock))}</pre>'


def _front() -> str:
    selects = _SELECT.format(label="Up", id="front-y") + _SELECT.format(label="Across", id="front-x")
    keys = "Hover, or Tab and the arrow keys, to see a trial; click or Enter to keep it beside."
    return f"""<div class="controls" hidden>{selects}</div>
<div class="split"><div><div id="front-chart"></div><ul class="legend" id="front-legend"></ul><p class="quiet">{keys}</p></div>
<aside class="panel" id="chosen" aria-label="The chosen trial" aria-live="polite"></aside></div>"""


def _history() -> str:
    selects = _SELECT.format(label="Objective", id="history-of")
    return f"""<div class="controls" hidden>{selects}</div>
<div id="history-chart"></div><ul class="legend" id="history-legend"></ul>"""


def _table(history: History, rows: Sequence[Row], specs: Sequence[Winner]) -> str:
    told = {found.trial.index for found in specs}
    shown = table(history, rows)
    heads = "".join(_head(shown, at) for at in range(len(shown.header)))
    lines = []
    for row, cells in zip(rows, shown.rows, strict=True):
        name = _text(cells[0])
        linked = f'<a href="#spec-{row.index}">{name}</a>' if row.kind == "front" and row.index in told else name
        lines.append(
            f'<tr><th scope="row">{linked}</th>{"".join(_cell(shown, at, cells[at]) for at in range(1, len(cells)))}</tr>'
        )
    body = f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    notes = "".join(f"<p class='quiet'>{_text(note.replace('`', ''))}</p>" for note in results.notes(history, rows))
    many = len(comparable(history))
    few = len(drawn(history, {row.index for row in rows if row.index is not None}))
    if many > few:
        notes += f'<p class="quiet">The charts draw {few:,} of {many:,} trials; the table and the counts are of all.</p>'
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Table of specs">{body}</div>{notes}'


def _specs(history: History, specs: Sequence[Winner]) -> str:
    told = "".join(
        f'<details id="spec-{found.trial.index}"><summary>{_text(found.name)}</summary>'
        f'<pre tabindex="0">{_text(found.text)}</pre></details>'
        for found in specs
    )
    rest = len(winning(history)) - len(specs)
    if rest > 0:
        told += f'<p class="quiet">{rest:,} more are in the folder of the study.</p>'
    return told


def _importance(history: History) -> str:
    found = importance(history)
    if not found:
        return f'<p class="quiet">With fewer than {FEW} trials to compare, or without decisions, there is nothing to tell.</p>'
    cards = []
    for entry in found:
        bars = "".join(
            f'<span>{_text(path)}</span><span class="bar"><i style="width: {100 * share / entry.shares[0][1]:.1f}%"></i></span>'
            f'<span class="share">{100 * share:.1f} %</span>'
            for path, share in entry.shares
        )
        cards.append(f'<div class="panel"><h3>for {_text(entry.of)}</h3><div class="bars">{bars}</div></div>')
    how = "The share of each decision in being among the best tenth of the trials (PED-ANOVA), not how good its values are."
    return f'<p class="quiet">{how}</p><div class="shares">{"".join(cards)}</div>'


def _parallel() -> str:
    show = (
        '<label>Show <select id="parallel-show"><option value="all">all trials</option>'
        '<option value="told">those in the table</option></select></label>'
    )
    color = _SELECT.format(label="Colour", id="parallel-color")
    words = "A line is a trial, an axis a decision that was taken in several ways, then counts and objectives. Darker is more"
    return f"""<div class="controls" hidden>{color}{show}</div>
<div class="scroll" tabindex="0" role="region" aria-label="Parallel coordinates" id="parallel-chart"></div>
<p class="quiet">{words} (on a dark page: lighter). A line breaks where a decision does not exist. Dashes are the base.</p>"""


def _scrolled(shown: Table, *, long: frozenset[int] | set[int] = frozenset()) -> str:
    heads = "".join(_head(shown, at) for at in range(len(shown.header)))
    rows = "".join(
        f"<tr>{''.join(_cell(shown, at, cell, long=at in long) for at, cell in enumerate(row))}</tr>" for row in shown.rows
    )
    body = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(shown.header[0])}">{body}</div>'


def _head(shown: Table, at: int) -> str:
    return f'<th scope="col"{" class=number" * (at in shown.numbers)}>{_text(shown.header[at])}</th>'


def _cell(shown: Table, at: int, cell: str, *, long: bool = False) -> str:
    kind = " class=number" if at in shown.numbers else " class=long" if long else ""
    return f"<td{kind}>{_text(cell)}</td>"
