"""The trials of a study as values, and the history of a study read from its storage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from archdsl.api import Spec
    from archdsl.ir.space import Objective, Space
    from archdsl.search.settings import Settings

State = Literal["done", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class Trial:
    """A spec of the space and what was found of it.

    `index` is its place in the study, from 0, the base; `number` the one Optuna gave it. `point` has the decisions that exist
    there by path, `values` the objectives by name (none unless it is done), `flops` the operations at the space's own input.
    `finished` is in UTC, None where it is not known. `same_as` is the index of the trial whose values it took over, being the
    same spec.
    """

    index: int
    number: int
    state: State
    point: Mapping[str, str]
    values: Mapping[str, float]
    params: int
    flops: int
    hash: str
    seconds: Mapping[str, float]
    finished: datetime | None
    error: str | None = None
    same_as: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What a study knows: its finished trials in the order of their indices, `total` of which are wanted.

    `base` is the trial of the base; None where it was not evaluated, such as a base that is over a budget.
    """

    study: str
    space: Spec
    objectives: tuple[Objective, ...]
    base: Trial | None
    trials: tuple[Trial, ...]
    total: int
    settings: Settings

    @property
    def done(self) -> tuple[Trial, ...]:
        """The trials that have values."""
        return tuple(trial for trial in self.trials if trial.state == "done")


def history(study: str | os.PathLike[str], *, storage: str | None = None) -> History:
    """The history of a study, given by its folder. Nothing is written; other processes may be running it.

    Parameters
    ----------
    storage: where its trials are kept, needed where the URL has a password, which the folder does not hold.

    Raises
    ------
    SpecError: what is wrong with the folder, or with its storage.
    """
    from archdsl.search.study import read_study

    return read_study(study, storage=storage)


def trial_of(frozen: FrozenTrial, index: int, space: Space, objectives: Iterable[Objective]) -> Trial:
    """A finished trial of the storage."""
    from archdsl.search.space_to_optuna import to_point

    attrs = frozen.user_attrs
    state: State = {"COMPLETE": "done", "PRUNED": "pruned"}.get(frozen.state.name, "failed")  # type: ignore[assignment]
    values = dict(zip((found.name for found in objectives), frozen.values or (), strict=False)) if state == "done" else {}
    # storages tell the time of the machine
    ended = frozen.datetime_complete or datetime.now()
    counts = attrs.get("counts", {})
    whole = set(frozen.params) >= {decision.path for decision in space.decisions}
    return Trial(
        index=index,
        number=frozen.number,
        state=state,
        point=dict(to_point(space, frozen.params).named) if whole else {},
        values=values,
        params=int(counts.get("params", 0)),
        flops=int(counts.get("flops", 0)),
        hash=str(attrs.get("hash", "")),
        seconds=dict(attrs.get("seconds", {})),
        finished=ended.astimezone(UTC),
        error=attrs.get("error"),
        same_as=attrs.get("same_as"),
    )
