"""The settings of a study, as `study.yaml` has them."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import NoReturn

from archdsl.lang.yaml_twin_nodes import Mapping, Node, Scalar, compose
from archdsl.search.samplers import SAMPLERS as SAMPLERS
from archdsl.search.yaml_values import Value, value_of
from archdsl.source.diagnostic import Diagnostic, Report, SpecError
from archdsl.source.files import read_source
from archdsl.source.suggest import did_you_mean
from archdsl.source.text import Source, Span

# seeds of torch and numpy go no further
_SEED = 2**32 - 1
_TRIALS = 1_000_000
_WORKERS = 256


class OutOfBounds(ValueError):
    """What a call asks for is out of its bounds; the text says which they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a study is run.

    `time_limit` is in seconds for a trial (None: no limit). `storage` is None for SQLite in the folder, else as `open_storage`
    takes it. `objectives` has the fields of objectives that differ from their defaults.
    `places` has where each of them stands in the file, by `objective` or `objective.field`; `written` the names of the settings
    that the file has.
    """

    trials: int = 300
    sampler: str = "auto"
    seed: int = 0
    device: str = "cpu"
    workers: int = 1
    time_limit: float | None = None
    storage: str | None = None
    objectives: MappingType[str, MappingType[str, Value]] = field(default_factory=dict)
    places: MappingType[str, Span] = field(default_factory=dict, compare=False, repr=False)
    written: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    @staticmethod
    def read(path: Path, *, objectives: tuple[str, ...] = ()) -> Settings:
        """The settings of a file; the defaults where there is none.

        Parameters
        ----------
        objectives: the names that may have settings; none given, any may.

        Raises
        ------
        SpecError: `unknown-setting` or `bad-setting` with the place, or what is said of a file that cannot be read.
        """
        if not path.exists():
            if (other := path.with_suffix(".yml")).exists():
                help = f"rename it to `{path.name}`"
                told = f"`{other.as_posix()}` is not read: settings stand in `{path.name}`"
                raise SpecError([Diagnostic("bad-setting", told, help=help)])
            return Settings()
        report = Report()
        found = Settings()
        with report.guard():
            found = _Reader(read_source(path.as_posix(), report), report, objectives).settings()
        report.raise_errors()
        return found

    def changed(
        self,
        *,
        trials: int | None = None,
        sampler: str | None = None,
        seed: int | None = None,
        device: str | None = None,
        workers: int | None = None,
        time_limit: float | None = None,
        storage: str | None = None,
    ) -> Settings:
        """The settings with those of a call in their place; None leaves one as it is.

        Raises
        ------
        OutOfBounds: one is out of its bounds.
        """
        given = {
            "trials": trials,
            "sampler": sampler,
            "seed": seed,
            "device": device,
            "workers": workers,
            "time_limit": time_limit,
            "storage": storage,
        }
        for name, value in given.items():
            if value is not None and (wrong := _wrong(name, value)):
                raise OutOfBounds(f"`{name}` {wrong}, not {value!r}")
        return replace(self, **{name: value for name, value in given.items() if value is not None})


def _wrong(name: str, value: object) -> str:
    """What a setting has to be, where it is not."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    bounds = {"trials": (1, _TRIALS), "seed": (0, _SEED), "workers": (1, _WORKERS)}
    if name in bounds:
        low, high = bounds[name]
        return "" if whole and low <= value <= high else f"is a whole number from {low} to {high:_}"  # type: ignore[operator]
    if name == "sampler":
        return "" if value in SAMPLERS else f"is one of {', '.join(f'`{known}`' for known in SAMPLERS)}"
    if name == "time_limit":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if number and isfinite(value) and value > 0 else "is a number of seconds above 0"  # type: ignore[arg-type, operator]
    return "" if isinstance(value, str) and value.strip() else "is a text"


class _Reader:
    """Settings from nodes, with every wrong line reported."""

    def __init__(self, source: Source, report: Report, objectives: tuple[str, ...]) -> None:
        self.source, self.report, self.objectives = source, report, objectives
        self.places: dict[str, Span] = {}

    def settings(self) -> Settings:
        root, _ = compose(self.source, self.report)
        if root is None:
            return Settings()
        if not isinstance(root, Mapping):
            self._bad(root.span.head(), "settings are a map", "no map", "write lines such as `trials: 300`")
        found: dict[str, object] = {}
        for key, value in root.pairs:
            with self.report.guard():
                name = key.value
                if name not in _NAMES:
                    self._unknown(key, _NAMES, "there is no setting")
                found[name] = self._objectives(value) if name == "objectives" else self._plain(name, value)
        return Settings(**found, places=self.places, written=frozenset(found))  # type: ignore[arg-type]

    def _plain(self, name: str, node: Node) -> Value:
        value = value_of(node)
        if value is None and name in ("time_limit", "storage"):
            return None
        if wrong := _wrong(name, value):
            self._bad(_span(node), f"`{name}` {wrong}", "this is none", did_you_mean(str(value), _OF.get(name, ())))
        return value

    def _objectives(self, node: Node) -> dict[str, dict[str, Value]]:
        help = "write `objectives:`, and below it `name: {field: value}`"
        if not isinstance(node, Mapping):
            self._bad(_span(node), "`objectives` is a map", "no map", help)
        found: dict[str, dict[str, Value]] = {}
        for key, fields in node.pairs:
            with self.report.guard():
                if self.objectives and key.value not in self.objectives:
                    self._unknown(key, self.objectives, "the space has no objective")
                if not isinstance(fields, Mapping):
                    self._bad(_span(fields), "an objective has a map of fields", "no map", help)
                self.places[key.value] = key.span
                for name, value in fields.pairs:
                    self.places[f"{key.value}.{name.value}"] = _span(value)
                found[key.value] = {name.value: value_of(value) for name, value in fields.pairs}
        return found

    def _unknown(self, key: Scalar, legal: tuple[str, ...], message: str) -> NoReturn:
        help = did_you_mean(key.value, legal) or "settings are " + ", ".join(f"`{name}`" for name in legal)
        self.report.fail("unknown-setting", f"{message} `{key.value}`", key.span, "not known here", help=help)

    def _bad(self, span: Span, message: str, label: str, help: str) -> NoReturn:
        self.report.fail("bad-setting", message, span, label, help=help)


_NAMES = ("trials", "sampler", "seed", "device", "workers", "time_limit", "storage", "objectives")
_OF = {"sampler": SAMPLERS}


def _span(node: Node) -> Span:
    return node.content if isinstance(node, Scalar) else node.span.head()


def bad_setting(settings: Settings, path: str, message: str, help: str = "") -> SpecError:
    """What an objective says of its settings, at the line that it is about where that is known."""
    report = Report()
    place = settings.places.get(path) or settings.places.get(path.partition(".")[0])
    with report.guard():
        report.fail("bad-setting", message, place, "here" if place else "", help=help)
    return SpecError(report.diagnostics)
