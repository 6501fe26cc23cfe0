"""The lock of a study: what it was begun with, so that it is gone on with in the same way."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from archdsl.lang import ast, fmt_pieces
from archdsl.lang.yaml_twin_nodes import compose
from archdsl.search.folder import StudyFolder
from archdsl.search.problems import damaged, other_data, study_changed, study_format
from archdsl.search.samplers import SAMPLERS
from archdsl.search.yaml_values import Value, text_of, value_of
from archdsl.source.diagnostic import Report, SpecError
from archdsl.source.files import read_source

if TYPE_CHECKING:
    from archdsl.api import Spec
    from archdsl.ir.model import Model
    from archdsl.source.text import Span

FORMAT = 1
# what a FLOP is: another rule would make old and new counts of a study incomparable
CONVENTION = "fvcore, 1 multiply-add = 1 flop, reference graph, one image"
_PACKAGES = ("archdsl", "optuna", "torch", "fvcore", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What a study was begun with.

    `study` is its name in the storage; `storage` has no password in it; `trials` is how many were wanted at the beginning,
    which the sampler was chosen and set by. `device` and `time_limit` (seconds) are gone on with where nothing else is said.
    `threads` of torch evaluate a spec: 0 for its own choice, None where an earlier version did not note it.
    `fingerprints` are those of what settings of objectives name, such as images, by objective and setting; an earlier version
    did not note them.
    """

    study: str
    space: str
    space_hash: str
    seed: int
    sampler: str
    trials: int
    objectives: MappingType[str, MappingType[str, Value]]
    directions: MappingType[str, str]
    storage: str | None
    device: str = "cpu"
    time_limit: float | None = None
    threads: int | None = None
    fingerprints: MappingType[str, MappingType[str, str]] = field(default_factory=dict)
    versions: MappingType[str, str] = field(default_factory=dict)
    convention: str = CONVENTION
    format: int = FORMAT

    def write(self, folder: StudyFolder) -> None:
        """Write it to the folder. Raises `SpecError` `unwritable-study`."""
        head = "# What this study was begun with. Written by `archdsl search`; `resume` needs it as it is.\n"
        folder.write(folder.lock, head + text_of(self.as_map()))

    def as_map(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "format": self.format,
            "study": self.study,
            "space": self.space,
            "space_hash": self.space_hash,
            "convention": self.convention,
            "seed": self.seed,
            "sampler": self.sampler,
            "trials": self.trials,
            "objectives": {
                name: {
                    "direction": direction,
                    **({"settings": dict(given)} if (given := self.objectives.get(name)) else {}),
                    **({"fingerprints": dict(noted)} if (noted := self.fingerprints.get(name)) else {}),
                }
                for name, direction in self.directions.items()
            },
            "storage": self.storage,
            "device": self.device,
            "time_limit": self.time_limit,
            "threads": self.threads,
            "versions": dict(self.versions),
        }

    @staticmethod
    def read(folder: StudyFolder) -> Lock | None:
        """The lock of a folder; None where there is none.

        Raises
        ------
        SpecError: `study-format`, `damaged-study`.
        """
        if not folder.lock.exists():
            return None
        where = folder.lock.as_posix()
        report = Report()
        try:
            with report.guard():
                root, _ = compose(read_source(where, report), report)
                found = value_of(root) if root is not None else None
            report.raise_errors()
        except SpecError as error:
            raise damaged(where, error.diagnostics[0].message) from None
        if not isinstance(found, dict) or "format" not in found:
            raise damaged(where, "it has no `format`")
        if found["format"] != FORMAT or isinstance(found["format"], bool):
            raise study_format(where, f"it has format {found['format']!s:.20}, this archdsl reads {FORMAT}")
        try:
            return _of(found)
        except (KeyError, TypeError, AttributeError) as error:
            raise damaged(where, f"it has no right `{error.args[0]}`" if error.args else "something is missing") from None

    def refuse_changes(self, folder: StudyFolder, now: Lock) -> None:
        """Raise `SpecError` `study-changed` where what is there now would be another study."""
        pairs = (
            ("the space", self.space_hash[:16], now.space_hash[:16]),
            ("the objectives", str(dict(self.directions)), str(dict(now.directions))),
            ("the way of counting", self.convention, now.convention),
            ("the settings of the objectives", self._told(self.objectives), self._told(now.objectives)),
        )
        for what, was, is_now in pairs:
            if was != is_now:
                raise study_changed(folder.path, what, was, is_now)

    def refuse_other_data(self, folder: StudyFolder, now: MappingType[str, MappingType[str, str]]) -> None:
        """Raise `SpecError` `study-changed` where a setting names something else than when the study was begun.

        `now` has the fingerprints of what is there, by objective and setting; what was not noted is taken as it is.
        """
        for name, noted in self.fingerprints.items():
            for setting, was in noted.items():
                if (is_now := now.get(name, {}).get(setting, was)) != was:
                    raise other_data(folder.path, f"`{setting}` of `{name}`", was, is_now)

    def _told(self, objectives: MappingType[str, MappingType[str, Value]]) -> str:
        """Settings, but for those that may change while their fingerprint is the same."""
        found: dict[str, dict[str, Value]] = {}
        for name, fields in objectives.items():
            noted = self.fingerprints.get(name, {})
            found[name] = {key: value for key, value in fields.items() if key not in noted}
        return ", ".join(f"{name} {fields}" for name, fields in sorted(found.items()) if fields) or "the defaults"

    def notes(self, now: MappingType[str, str]) -> tuple[str, ...]:
        """What a reader may want to know: versions that differ."""
        return tuple(
            f"the study was begun with {name} {was}, and goes on with {now[name]}"
            for name, was in self.versions.items()
            if name in now and now[name] != was
        )


def _of(found: dict[str, Any]) -> Lock:
    def text(name: str) -> str:
        if not isinstance(found[name], str):
            raise KeyError(name)
        return str(found[name])

    def whole(name: str) -> int:
        if type(found[name]) is not int:
            raise KeyError(name)
        return int(found[name])

    entries: dict[str, Any] = found["objectives"]
    storage = found["storage"]
    if storage is not None and not isinstance(storage, str):
        raise KeyError("storage")
    limit = found.get("time_limit")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
        raise KeyError("time_limit")
    if found["sampler"] not in SAMPLERS or found["sampler"] == "auto":
        raise KeyError("sampler")
    fingerprints = {name: entry["fingerprints"] for name, entry in entries.items() if entry.get("fingerprints")}
    if not all(isinstance(noted, dict) for noted in fingerprints.values()):
        raise KeyError("fingerprints")
    return Lock(
        study=text("study"),
        space=text("space"),
        space_hash=text("space_hash"),
        convention=text("convention"),
        seed=whole("seed"),
        sampler=text("sampler"),
        trials=whole("trials"),
        objectives={name: entry.get("settings", {}) for name, entry in entries.items() if entry.get("settings")},
        directions={name: entry["direction"] for name, entry in entries.items()},
        storage=storage,
        device=text("device") if "device" in found else "cpu",
        time_limit=limit,
        threads=whole("threads") if found.get("threads") is not None else None,
        fingerprints={name: {key: str(value) for key, value in noted.items()} for name, noted in fingerprints.items()},
        versions={name: str(value) for name, value in (found.get("versions") or {}).items()},
    )


def space_hash(spec: Spec) -> str:
    """SHA-256 of a space: its base, its decisions, and what bounds them. Comments and layout change nothing."""
    space = spec.space
    assert space is not None
    lines = [spec.canonical]
    lines += [f"{found.path} = {' | '.join(found.labels)}" for found in space.decisions]
    # trial 0 is the base, and what stands where a decision does not exist
    lines += [f"base {path} = {label}" for path, label in space.named(space.base_point).items()]
    bounds = (*space.model.requires, *_read_by_requires(space.model))
    lines += [fmt_pieces.text_of(fmt_pieces.item_pieces(item)) for item in bounds]
    lines += [f"budget {b.quantity} {b.operator} {b.limit} at {b.at} by {b.rule}" for b in space.budgets]
    lines += [f"{objective.direction} {objective.name}" for objective in space.objectives]
    return sha256("\n".join(lines).encode()).hexdigest()


def _read_by_requires(model: Model) -> Iterator[ast.Let]:
    """The lets behind `require`, which the text of an arch leaves out where nothing else reads them."""
    found: set[Span] = set()
    waiting: list[ast.Syntax] = list(model.requires)
    while waiting:
        for node in ast.walk(waiting.pop(0)):
            if not isinstance(node, ast.Name):
                continue
            let = model.place.lets.get(node.id) or model.file_let(node.id, node.span.source)
            if isinstance(let, ast.Let) and let.span not in found:
                found.add(let.span)
                waiting.append(let.value)
                yield let


def versions() -> dict[str, str]:
    """What computes the values of a study, as installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            import archdsl

            if name == "archdsl":
                found[name] = archdsl.__version__
    return {**found, "python": platform.python_version()}
