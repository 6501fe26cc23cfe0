"""Which objectives there are, and how one is made of its settings.

A module is imported when its objective is looked up, not before; installed packages are asked only about names that are not
built in.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from math import isfinite
from typing import Any

from archdsl.ir import objectives as known
from archdsl.ir.require import COMPARE
from archdsl.schema import plugins
from archdsl.schema.field import MISSING, Field
from archdsl.schema.plugins import BrokenPlugin as BrokenPlugin
from archdsl.schema.plugins import Clash as Clash
from archdsl.search.objectives.objective import Objective
from archdsl.source.diagnostic import Diagnostic, SpecError
from archdsl.source.suggest import did_you_mean

_CLASSES = {
    "zen_score": "ZenScore",
    "zico": "Zico",
    "naswot": "Naswot",
    "synflow": "Synflow",
    "grad_norm": "GradNorm",
    "latency": "Latency",
    "memory": "Memory",
    "accuracy": "Accuracy",
    "params": "Params",
    "flops": "Flops",
}
# as their classes say, which are not imported for it
_UNITS = {
    "zen_score": "natural logarithm",
    "zico": "natural logarithm, summed over layers",
    "naswot": "natural logarithm",
    "synflow": "natural logarithm",
    "grad_norm": "cross-entropy by weight",
    "latency": "milliseconds",
    "memory": "MiB",
    "accuracy": "share of the images",
    "params": "parameters",
    "flops": "operations",
}
_TYPES = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
_BOUNDS = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))


class WrongSetting(ValueError):
    """An objective that there is none of, or a setting that it does not take. `setting` is None where the name is at fault."""

    def __init__(self, message: str, help: str = "", *, objective: str, setting: str | None = None) -> None:
        super().__init__(message)
        self.message, self.help = message, help
        self.objective, self.setting = objective, setting


def names() -> tuple[str, ...]:
    """All names: the built-in ones, then those of installed packages, broken ones among them."""
    return known.objectives()


def lookup(name: str) -> type[Objective] | BrokenPlugin | None:
    """The class of an objective; None if there is none, `BrokenPlugin` if an installed package fails to give it."""
    if name in _CLASSES:
        found: type[Objective] = getattr(importlib.import_module(f"{__package__}.{name}"), _CLASSES[name])
        return found
    return installed(name)


def installed(name: str) -> type[Objective] | BrokenPlugin | None:
    """As `lookup`, of objectives of installed packages alone; those that are built in are not imported."""
    return _load(name) if name in known.brought()[0] else None


def summary(name: str) -> str:
    """The first sentence of what is said of an objective, without an import where it is built in."""
    from archdsl.schema.registry import first_sentence

    if name in known.OBJECTIVES:
        return known.OBJECTIVES[name]
    found = installed(name)
    if found is None:
        raise KeyError(name)
    return found.error if isinstance(found, BrokenPlugin) else first_sentence(found.__doc__ or "")


def unit(name: str) -> str:
    """What the values of an objective count, without an import where it is built in; empty where nobody says."""
    return _UNITS[name] if name in _UNITS else getattr(installed(name), "unit", "")


def distribution(name: str) -> str:
    """The distribution that an objective comes from: `archdsl`, or the name of an installed package."""
    return "archdsl" if name in known.OBJECTIVES else plugins.owner(known.brought()[0][name])


def clashes() -> tuple[Clash, ...]:
    """Objectives of installed packages that are ignored because their name is taken."""
    return known.brought()[1]


def settings(objective: type[Objective] | Objective) -> tuple[Field, ...]:
    """The settings of an objective: the fields of its dataclass, in the order written."""
    return tuple(_settings(objective))


def make(name: str, given: Mapping[str, Any]) -> Objective:
    """The objective of a name with its settings; those that are not given have their defaults.

    Raises
    ------
    WrongSetting: there is no objective of that name, or it does not take a setting or its value.
    SpecError: `broken-plugin`, when an installed package fails to give it.
    """
    cls = lookup(name)
    if cls is None:
        help = did_you_mean(name, names()) or "objectives are " + ", ".join(f"`{each}`" for each in names())
        raise WrongSetting(f"there is no objective `{name}`", help, objective=name)
    if isinstance(cls, BrokenPlugin):
        raise broken(cls)
    fields = {field.name: field for field in settings(cls)}
    for key in given:
        if key not in fields:
            help = did_you_mean(str(key), fields, "its settings are") or f"`archdsl explain {name}` tells its settings"
            raise WrongSetting(f"`{name}` has no setting `{key}`", help, objective=name, setting=key)
    values = {key: _value(name, fields[key], value) for key, value in given.items()}
    for field in fields.values():
        if field.required and field.name not in values:
            raise WrongSetting(f"`{name}` needs the setting `{field.name}`", field.doc, objective=name)
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        # what a class finds wrong with its settings together
        raise WrongSetting(f"`{name}` does not take these settings: {error}", objective=name) from None


def broken(found: BrokenPlugin) -> SpecError:
    """The error of an objective that an installed package fails to give."""
    message = f"the objective `{found.name}` of the package `{found.distribution}` cannot be loaded: {found.error}"
    return SpecError([Diagnostic("broken-plugin", message, help=f"repair or remove `{found.distribution}`")])


@cache
def _load(name: str) -> type[Objective] | BrokenPlugin:
    entry = known.brought()[0][name]
    return plugins.load(entry, lambda found: _wrong(name, entry.value, found))  # type: ignore[return-value]


def _wrong(name: str, value: str, found: object) -> str:
    """What keeps something from being the objective of an entry point; nothing where it is."""
    if not (isinstance(found, type) and issubclass(found, Objective) and dataclasses.is_dataclass(found)):
        return f"{value} is not a dataclass derived from Objective"
    if missing := [word for word in ("name", "direction", "unit", "source", "cost") if not hasattr(found, word)]:
        return f"{value} does not say its {' and '.join(missing)}"
    if found.name != name:
        return f"{value} declares the objective {found.name}"
    if found.direction not in ("maximize", "minimize"):
        return f"{value} has the direction {found.direction!r}, neither maximize nor minimize"
    if left := sorted(found.__abstractmethods__):
        return f"{value} does not define {' and '.join(left)}"
    settings(found)
    return ""


def _settings(objective: type[Objective] | Objective) -> Iterator[Field]:
    for entry in dataclasses.fields(objective):  # type: ignore[arg-type]
        kinds = [word.strip() for word in str(getattr(entry.type, "__name__", entry.type)).split("|")]
        kind, *more = [word for word in kinds if word != "None"]
        if kind not in _TYPES or more:
            raise TypeError(f"the setting {entry.name} is one of {', '.join(_TYPES)}, perhaps with `| None`, not {entry.type}")
        default: Any = entry.default
        if entry.default_factory is not dataclasses.MISSING:
            default = entry.default_factory()
        yield Field(
            name=entry.name,
            type=kind,
            optional="None" in kinds,
            default=MISSING if default is dataclasses.MISSING else default,
            doc=entry.metadata.get("doc", ""),
            divides=None,
            **{word: entry.metadata.get(word) for word in ("ge", "gt", "le", "lt", "choices")},
        )


def _value(objective: str, field: Field, value: object) -> object:
    """A value as the field takes it."""
    if value is None and field.optional:
        return None
    given = value
    # true is no number, though Python says so
    if field.type == "float" and type(value) is int:
        value = float(value)
    holds = type(value).__name__ == field.type and (field.choices is None or value in field.choices)
    if holds and isinstance(value, int | float):
        holds = isfinite(value) and all(COMPARE[sign](value, limit) for sign, limit in _bounds(field))
    if not holds:
        message = f"`{field.name}` of `{objective}` is {_taken(field)}, not {_shown(given)}"
        raise WrongSetting(message, field.doc, objective=objective, setting=field.name)
    return value


def _bounds(field: Field) -> list[tuple[str, float]]:
    return [(sign, limit) for word, sign in _BOUNDS if (limit := getattr(field, word)) is not None]


def _taken(field: Field) -> str:
    """What a setting takes, in words."""
    kind = " or ".join(f"`{choice}`" for choice in field.choices) if field.choices else _TYPES[field.type]
    kind += "".join(f", {sign} {limit:g}" for sign, limit in _bounds(field))
    return f"{kind}, or none" if field.optional else kind


def _shown(value: object) -> str:
    """A value as a study says it; of long ones the beginning."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    text = f"`{value}`"
    return text if len(text) <= 60 else f"{text[:56]}...`"
