"""What a study found, as spec files that extend the base and say only what differs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.ir.rules import counted
from archdsl.lang import ast
from archdsl.lang.fmt import format_file
from archdsl.lang.parse import parse_file
from archdsl.search.amendment import amendment
from archdsl.search.figures import exact
from archdsl.search.pareto import front, ranked
from archdsl.source.cells import safe_line
from archdsl.source.diagnostic import Diagnostic, Report, SpecError
from archdsl.source.text import Source, Span

if TYPE_CHECKING:
    from archdsl.ir.points import Drawn
    from archdsl.ir.space import Space
    from archdsl.schema.units import Size
    from archdsl.search.folder import StudyFolder
    from archdsl.search.trials import History, Trial

BEST = 3
"""How many winners a study of one objective has at most."""

_NOWHERE = Span(Source("", ""), 0, 0)
# what the first line of every winner begins with
_HEADER = "# Trial "


@dataclass(frozen=True, slots=True)
class Winner:
    """A trial as a spec: `text` is that of the file `NAME.arch`."""

    name: str
    trial: Trial
    text: str


def winning(history: History) -> tuple[Trial, ...]:
    """The trials that become winners: the front, of one objective the best three.

    The base is none, nor is what comes after it where there is one objective.
    """
    base = history.base.hash if history.base else ""
    if len(history.objectives) > 1:
        return tuple(trial for trial in front(history) if trial.hash != base)
    better = itertools.takewhile(lambda trial: trial.hash != base, ranked(history, history.objectives[0].name))
    return tuple(better)[:BEST]


def winner(history: History, trial: Trial, target: Path) -> Winner:
    """Any trial of a study as a spec file, to be written to the folder `target`."""
    space = _space(history)
    name = winner_name(history, trial)
    point = space.point(trial.point)
    text = amendment(history.space, point, name, target / f"{name}.arch", _expects(space, point))
    return Winner(name, trial, _canonical("\n".join([*_header(history, trial), text])))


def written(history: History, trial: Trial, folder: Path) -> Winner:
    """A trial as it was written to a folder as a winner; made where it was not, which takes longer."""
    name = winner_name(history, trial)
    with suppress(OSError, UnicodeDecodeError):
        text = (folder / f"{name}.arch").read_text(encoding="utf-8")
        if text.startswith("\n".join([*_header(history, trial), ""])):
            return Winner(name, trial, text)
    return winner(history, trial, folder)


def winner_name(history: History, trial: Trial) -> str:
    """How a trial is called as a spec: by its space and its index."""
    space = _space(history)
    digits = max(3, len(str(history.total)))
    name = f"{space.name}_{trial.index:0{digits}}"
    # a space may be over an earlier winner
    taken = {*space.model.lineage, *(loose for file in space.model.files.values() for loose in file.names)}
    while name in taken:
        name += "_again"
    return name


def write_winners(
    history: History, folder: StudyFolder, *, target: Path | None = None, trials: Sequence[Trial] | None = None
) -> tuple[Path, ...]:
    """Write winners as specs, and return where.

    Parameters
    ----------
    target: the folder to write to, in place of `winners` in that of the study. What else lies in another folder stays.
    trials: which, in place of `winning`. Without it, winners of before that are none any more are removed from `winners`.

    Raises
    ------
    SpecError: `unwritable-study`; `folder-taken` where another folder has such a file that is no winner of this study.
    """
    into = target or folder.winners
    own = into.resolve() == folder.winners.resolve()
    found = [winner(history, trial, into) for trial in (winning(history) if trials is None else trials)]
    paths = tuple(into / f"{entry.name}.arch" for entry in found)
    if not own:
        for path, entry in zip(paths, found, strict=True):
            _refuse_taken(path, entry.text)
    for path, entry in zip(paths, found, strict=True):
        folder.write(path, entry.text)
    if own and trials is None and into.is_dir():
        for path in _written_before(into, _space(history).name):
            if path not in paths:
                with suppress(OSError):
                    path.unlink()
    return paths


def _refuse_taken(path: Path, text: str) -> None:
    """Raise `SpecError` `folder-taken` where a file is there already, and is not this trial of this study."""
    if not path.exists():
        return
    head = ""
    with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
        head = file.readline()
    # what is said after the name may differ, such as the version
    mine, _, _ = text.partition(", seed ")
    if head.startswith(f"{mine}, seed "):
        return
    _, _, other = head.partition(" of the study ")
    other = other.partition(", seed ")[0] if head.startswith(_HEADER) else ""
    why = f"is a winner of another study, `{other}`" if other else "is there already, and is no winner of this study"
    help = "name another folder, or move the file away"
    raise SpecError([Diagnostic("folder-taken", f"`{path.as_posix()}` {why}", help=help)])


def _written_before(target: Path, space: str) -> list[Path]:
    """The files that look as if they were written here: by their name, and by their first words."""
    found = []
    for path in target.iterdir():
        with suppress(OSError, UnicodeDecodeError):
            if re.fullmatch(rf"{re.escape(space)}_\d{{3,}}(_again)*\.arch", path.name) and path.is_file():
                with path.open(encoding="utf-8") as text:
                    found += [path] * text.read(len(_HEADER)).startswith(_HEADER)
    return found


def _space(history: History) -> Space:
    assert history.space.space is not None
    return history.space.space


def _header(history: History, trial: Trial) -> list[str]:
    from archdsl import __version__

    seed = history.settings.seed
    found = [(o, trial.values[o.name]) for o in history.objectives if o.name in trial.values]
    lines = [
        f"{_HEADER}{trial.index} of the study {safe_line(history.study)}, seed {seed}; found by archdsl {__version__}.",
        *(f"# {objective.name} = {exact(objective.name, value)}, {objective.direction}d" for objective, value in found),
    ]
    if trial.state != "done":
        lines.append(f"# It is {trial.state}{f': {safe_line(trial.error)}' if trial.error else ''}.")
    return lines


def _expects(space: Space, point: Drawn) -> list[ast.Expect]:
    """The exact counts: all parameters, the operations at the input, and what the budgets bound."""
    size = space.base_network.image.size
    wanted: dict[tuple[str, str, Size | None], None] = {("params", "fvcore", None): None, ("flops", "fvcore", size): None}
    for budget in space.budgets:
        at = budget.at or size
        wanted[budget.quantity, budget.rule, None if budget.quantity == "params" and at == size else at] = None
    found = []
    for at in dict.fromkeys(place for _, _, place in wanted):
        here = [(quantity, rule) for quantity, rule, place in wanted if place == at]
        counts = counted(space.network(point, at=at), here)
        found += [_expect(quantity, counts[quantity, rule], at, rule) for quantity, rule in here]
    return found


def _expect(quantity: str, count: int, at: Size | None, rule: str) -> ast.Expect:
    number = ast.Integer(count, f"{count:_}", _NOWHERE)
    place = None if at is None else ast.Shape((at.height, at.width), _NOWHERE)
    by = None if rule == "fvcore" else ast.Ident(rule, _NOWHERE)
    return ast.Expect(ast.Ident(quantity, _NOWHERE), number, place, by, None, _NOWHERE)


def _canonical(text: str) -> str:
    report = Report()
    file = parse_file(Source("winner", text), report)
    report.raise_errors()
    assert file is not None
    return format_file(file)
