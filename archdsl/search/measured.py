"""The objectives of a study with their settings, as its folder sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.search.settings import Settings, bad_setting

if TYPE_CHECKING:
    from archdsl.search.objectives.objective import Objective
    from archdsl.search.study import Plan


def measured(name: str, settings: Settings, folder: Path) -> Objective:
    """An objective, relative paths in its settings seen from a folder. Raises `SpecError` `bad-setting` or `broken-plugin`."""
    from archdsl.search.objectives.registry import WrongSetting, make

    try:
        return make(name, settings.objectives.get(name, {})).seen_from(folder)
    except WrongSetting as error:
        path = f"{error.objective}.{error.setting}" if error.setting else error.objective
        raise bad_setting(settings, path, error.message, error.help) from None


def in_full(settings: Settings, folder: Path) -> Settings:
    """The settings with the relative paths of objectives seen from a folder, and in full. Raises as `measured`."""
    found = dict(settings.objectives)
    for name, given in settings.objectives.items():
        # a path is a text
        if any(isinstance(value, str) for value in given.values()):
            objective = measured(name, settings, folder)
            found[name] = {key: getattr(objective, key) for key in given}
    return replace(settings, objectives=found)


def check(found: Plan, *, anew: bool) -> None:
    """Look for what the objectives of a study need, and whether it is what the study was begun with; note it in a new lock.

    Raises
    ------
    SpecError: something is missing or does not fit; `study-changed`, when it is other data.
    """
    objectives = found.measured()
    now: dict[str, Mapping[str, str]] = {each.name: noted for each in objectives if (noted := dict(each.fingerprints()))}
    if anew:
        found.lock = replace(found.lock, fingerprints=now)
    else:
        found.lock.refuse_other_data(found.folder, now)
    for objective in objectives:
        objective.check(found.spec)
