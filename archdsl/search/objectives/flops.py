"""`flops`: the operations of one image."""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.search.objectives.objective import Candidate, Objective, Step


@dataclass(frozen=True, kw_only=True)
class Flops(Objective):
    """The operations of one image at the spec's input, in closed form.

    They are counted by fvcore's rules: a multiplication with its addition is one. A budget bounds the same number.
    """

    name = "flops"
    direction = "minimize"
    unit = "operations"
    source = "the closed form that `archdsl count` prints and holds against fvcore"
    cost = "nothing"

    def measure(self, candidate: Candidate, step: Step) -> float:
        return float(candidate.spec.flops)
