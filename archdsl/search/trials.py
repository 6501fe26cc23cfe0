"""What a study has done so far, as it is shown, reported and written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from archdsl.api import Spec
    from archdsl.ir.space import Objective

State: TypeAlias = Literal["done", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """One evaluated point of a space, that with index 0 the base.

    `number` is Optuna's. `point` has the label of each decision that exists there, by path; `values` the objectives by name,
    of a failed trial those that were measured; `params` and `flops` are counted at the space's own input; `seconds` what
    each step took. `same_as` is the index of an earlier trial of the same network, whose values these are.
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
    finished: datetime
    error: str | None = None
    same_as: int | None = None


@dataclass(frozen=True)
class History:
    """A study: its space, and the trials that ended, by index.

    `base` is the trial of the base, which is also the first of `trials`; None where it has none. `total` is how many trials
    were asked for.
    """

    study: str
    space: Spec = field(repr=False)
    objectives: tuple[Objective, ...]
    base: Trial | None
    trials: tuple[Trial, ...] = field(repr=False)
    total: int
    settings: Any = field(repr=False)
