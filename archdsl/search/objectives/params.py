"""`params`: all parameters."""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.search.objectives.objective import Candidate, Objective, Step


@dataclass(frozen=True, kw_only=True)
class Params(Objective):
    """All parameters, in closed form.

    Those of heads that only training uses are among them. A budget bounds the same number.
    """

    name = "params"
    direction = "minimize"
    unit = "parameters"
    source = "the closed form that `archdsl count` prints"
    cost = "nothing"

    def measure(self, candidate: Candidate, step: Step) -> float:
        return float(candidate.spec.params)
