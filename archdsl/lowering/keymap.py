"""Key maps: the tensors of a published checkpoint beside those of the state_dict. Free of torch.

The format is told in `specs/KEYMAPS.md`; `keymap_reading` reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archdsl.lowering.rules import Index, Piece, Place, Rule, Shape
from archdsl.source.diagnostic import Note, Report
from archdsl.source.limits import TOLD

COUNTER = "num_batches_tracked"

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """An official tensor and where it belongs: all of an own one, or a `piece` of it along its first axis.

    `own_shape` is that of the own tensor or of the piece, `shape` that which the published layout gives to the same numbers.
    What is not `written` is read where it is there, and not written.
    """

    official: str
    own: str
    piece: Piece | None
    own_shape: tuple[int, ...]
    shape: tuple[int, ...]
    written: bool = True


@dataclass(frozen=True, slots=True)
class KeyMap:
    """The rules of one file: names, official shapes that differ, official names that are no weights.

    Without `counters` the published files have no `num_batches_tracked`.
    """

    name: str
    rules: tuple[Rule, ...]
    shapes: tuple[Shape, ...] = ()
    ignored: tuple[Place, ...] = ()
    counters: bool = True

    def entries(self, own: Mapping[str, Sequence[int]]) -> list[Entry]:
        """The official tensors of a state_dict, which is given by the shapes of its tensors.

        Raises
        ------
        SpecError: `key-map-mismatch`, when an own name has no rule, or two that are not about its pieces; when two own names
            would get one official name; when pieces are missing, or the own tensor has no such pieces; when a rule is about
            nothing.
        """
        report = Report()
        collected = _Entries(self, report)
        for key, shape in own.items():
            if report.error_count >= TOLD:
                report.raise_errors()
            collected.add(key, tuple(shape))
        collected.finish()
        report.raise_errors()
        return collected.entries

    def without_ignored(self, names: Iterable[str]) -> list[str]:
        """The names that are not on the list of what is ignored."""
        index = Index(self.ignored)
        return [name for name in names if not _is_ignored(index, name)]


class _Entries:
    """Collects the entries of one state_dict and reports what does not fit."""

    def __init__(self, keymap: KeyMap, report: Report) -> None:
        self.entries: list[Entry] = []
        self._keymap = keymap
        self._report = report
        self._rules, self._shapes, self._ignored = Index(keymap.rules), Index(keymap.shapes), Index(keymap.ignored)
        self._givers: dict[str, tuple[str, Rule]] = {}
        self._used: set[int] = set()
        self._missing: list[str] = []

    def add(self, key: str, shape: tuple[int, ...]) -> None:
        """Find the entries of one own tensor."""
        found = [(rule, name) for rule in self._rules.near(key) for name in rule.official_names(key)]
        self._used.update(id(rule) for rule, _ in found)
        if not found:
            self._missing.append(key)
            return
        if any(rule.piece is None for rule, _ in found):
            # one rule is about all of it, so that any other is one too many
            self._refuse_others(key, found)
            found = found[:1]
        else:
            self._check_pieces(key, shape, found)
        for rule, name in found:
            self._add(key, shape, rule, name)

    def finish(self) -> None:
        """Report what is left over on either side."""
        if self._missing:
            more = f" ... {len(self._missing) - _SHOWN} more" if len(self._missing) > _SHOWN else ""
            self._report.error(
                "key-map-mismatch",
                f"{len(self._missing)} names of the state_dict have no rule in `{self._keymap.name}`",
                notes=[Note(", ".join(self._missing[:_SHOWN]) + more)],
                help="add a rule for them; a key map fits the arch it was written for",
            )
        for rule in self._keymap.rules:
            if id(rule) not in self._used:
                self._report.error(
                    "key-map-mismatch",
                    "each rule of a key map names something in the state_dict",
                    rule.span,
                    "nothing has such a name",
                    help="remove the rule, or correct the right side",
                )
        for stated in self._keymap.shapes:
            if id(stated) not in self._used:
                self._report.error(
                    "key-map-mismatch",
                    "each shape of a key map is that of an official tensor",
                    stated.place.span,
                    "`keys` gives no such name",
                    help="remove the line, or write the whole name, such as `head.weight`",
                )

    def _add(self, key: str, shape: tuple[int, ...], rule: Rule, name: str) -> None:
        if name in self._givers:
            first, giver = self._givers[name]
            label = f"`{first}` and `{key}` get one official name, `{name}`"
            self._clash(rule, label, giver, "the first comes from here")
        self._givers[name] = (key, rule)
        if _is_ignored(self._ignored, name):
            self._report.error(
                "key-map-mismatch",
                "what a key map ignores is no weight",
                rule.span,
                f"it gives the name `{name}`, which `ignore` has",
                help="remove one of the two",
            )
        if rule.piece:
            shape = (shape[0] // rule.piece.count if shape else 0, *shape[1:])
        written = self._keymap.counters or key.rpartition(".")[2] != COUNTER
        self.entries.append(Entry(name, key, rule.piece, shape, self._official_shape(name, shape), written))

    def _official_shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        for stated in self._shapes.near(name):
            if stated.place.rest(name) != "":
                continue
            self._used.add(id(stated))
            if stated.axes.rank == len(shape):
                return stated.axes.of(shape)
            own = "x".join(map(str, shape)) or "one number"
            self._report.error(
                "key-map-mismatch",
                "an official shape has the axes of the own tensor, each with its letter",
                stated.place.span,
                f"{stated.axes.rank} letters, and `{name}` is {own} here",
                help="write a letter for each own axis, and `1` for an axis that only the official tensor has",
            )
        return shape

    def _refuse_others(self, key: str, found: list[tuple[Rule, str]]) -> None:
        (rule, name), *others = found
        for other, also in others:
            twice = f"it gives `{key}` the names `{name}` and `{also}`" if other is rule else f"`{key}` has two rules"
            self._clash(other, twice, rule, "the other one")

    def _check_pieces(self, key: str, shape: tuple[int, ...], found: list[tuple[Rule, str]]) -> None:
        """Refuse pieces that are not each once the equal pieces of one tensor."""
        first = found[0][0]
        assert first.piece is not None
        given: dict[int, Rule] = {}
        for rule, _ in found:
            assert rule.piece is not None
            if rule.piece.count != first.piece.count:
                self._clash(rule, f"`{key}` is cut into {rule.piece.count} pieces here", first, "and otherwise here")
            elif rule.piece.index in given:
                self._clash(rule, f"`{key}{rule.piece}` has two rules", given[rule.piece.index], "the other one")
            given.setdefault(rule.piece.index, rule)
        count = first.piece.count
        left = [str(Piece(index, count)) for index in range(count) if index not in given]
        label = ""
        if not shape or shape[0] % count:
            own = "x".join(map(str, shape)) or "one number"
            label = f"`{key}` is {own}, which has no {count} equal pieces along its first axis"
        elif left:
            label = f"`{key}` has no rule for {', '.join(left)}"
        if label:
            help = "write a rule for each piece, from `[0/3]` to `[2/3]` for three"
            self._report.error("key-map-mismatch", "the pieces of a tensor make all of it", first.span, label, help=help)

    def _clash(self, rule: Rule, label: str, other: Rule, note: str) -> None:
        self._report.error(
            "key-map-mismatch",
            "each name of the state_dict has one rule and one official name",
            rule.span,
            label,
            notes=[] if other is rule else [Note(note, other.span)],
            help="bound a variable with a range such as `{i=0..2}`, or remove one of the rules",
        )


def _is_ignored(index: Index[Place], name: str) -> bool:
    return any(place.rest(name) is not None for place in index.near(name))
