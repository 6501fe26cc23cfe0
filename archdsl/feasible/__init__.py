"""The points of a space that fit its budgets: counted, drawn uniformly, and proved absent."""

from archdsl.feasible.feasible import Count, Feasible
from archdsl.feasible.structure import Bound

__all__ = ["Bound", "Count", "Feasible"]
