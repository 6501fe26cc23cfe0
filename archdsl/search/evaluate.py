"""The evaluation of one spec: build it, have fvcore confirm its counts, hold it against the budgets, measure the objectives."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from archdsl.source.diagnostic import SpecError

if TYPE_CHECKING:
    from archdsl.api import Spec
    from archdsl.ir.network import Network
    from archdsl.search.objectives.objective import Objective

_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Pruned(BaseException):
    """A poor trial is stopped. No objective may take it for an error of its own, so it is no `Exception`."""


class _NoNumber(BaseException):
    """A value on the way is no finite number; the text says which. It is no `Exception` for the same reason."""


@dataclass(slots=True)
class Evaluation:
    """What was found of a spec. `bug` is set where the fault is archdsl's own: what differs, and from what."""

    state: str = "failed"
    values: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    bug: str | None = None

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 6)


def evaluate(
    text: str,
    digest: str,
    budgets: Sequence[Mapping[str, Any]],
    objectives: Sequence[Objective],
    *,
    seed: int,
    device: str,
    step: Callable[[int, float], None] = lambda number, value: None,
) -> Evaluation:
    """Evaluate the arch of a text, whose hash must be `digest`. Only `BaseException` gets out: all else is a failed evaluation.

    `budgets` have `quantity`, `operator`, `limit`, `at` and `rule`, as those of a space.
    """
    found = Evaluation()
    try:
        _evaluate(found, text, digest, budgets, objectives, seed, device, step)
    except Pruned:
        found.state = "pruned"
    except SpecError as error:
        found.error = "; ".join(f"{d.slug}: {d.message}" for d in error.diagnostics if d.severity == "error")
    except Exception as error:
        found.error = _quoted(error)
    return found


def _evaluate(
    found: Evaluation,
    text: str,
    digest: str,
    budgets: Sequence[Mapping[str, Any]],
    objectives: Sequence[Objective],
    seed: int,
    device: str,
    step: Callable[[int, float], None],
) -> None:
    import torch

    from archdsl.api import loads
    from archdsl.search.objectives.objective import Candidate, Unmeasured

    with found.timed("build"):
        spec = loads(text)
        same = spec.hash == digest
    if not same:
        found.bug = f"the spec, written out in full, means another network: its hash is {spec.hash}, not {digest}"
        found.error = f"a bug in archdsl: {found.bug}"
        return
    if not _confirmed(found, spec, budgets):
        return
    values = []

    def checked(number: int, value: float) -> None:
        # storages keep no such value in a way that can be read again, and pruners compare with it
        if not isfinite(value):
            raise _NoNumber(f"{float(value)} at step {int(number)}")
        step(number, value)

    for objective in objectives:
        with found.timed(objective.name):
            try:
                value = float(objective.measure(Candidate(spec, seed, torch.device(device)), checked))
            except _NoNumber as error:
                found.error = f"{objective.name} is {error}"
                return
            except Unmeasured as error:
                found.error = f"{objective.name}: {error}"
                return
            except SpecError:
                raise
            except Exception as error:
                found.error = f"{objective.name} raised {_quoted(error)}"
                return
        if not isfinite(value):
            found.error = f"{objective.name} is {value}"
            return
        values.append(value)
    found.state, found.values = "done", values


def _confirmed(found: Evaluation, spec: Spec, budgets: Sequence[Mapping[str, Any]]) -> bool:
    """Whether fvcore counts what the closed form says, in every form and at every size that a budget is about."""
    from archdsl.budget.compare import compare
    from archdsl.budget.fvcore_count import measure
    from archdsl.ir.counts import closed_form
    from archdsl.ir.fuse import fused
    from archdsl.ir.rules import by_rule, is_fused
    from archdsl.lowering.fault import blamed
    from archdsl.lowering.module import lower

    sizes: dict[str | None, Network] = {}
    for size, fuse in dict.fromkeys([(None, False), *((line["at"], is_fused(line["rule"])) for line in budgets)]):
        if size not in sizes:
            here = spec if size is None or size == str(spec.network.image.size) else spec.overridden(at=size)
            sizes[size] = here.network
        network = fused(sizes[size]) if fuse else sizes[size]
        closed = closed_form(network)
        with blamed():
            with found.timed("build"):
                module = lower(network)
            with found.timed("confirm"):
                compared = compare(closed, measure(module, network))
        if not compared.equal:
            rows = ", ".join(f"{row.name} {row.closed} in closed form, {row.measured} measured" for row in compared.differing)
            found.bug = f"closed form and fvcore differ at {network.image.size}: {rows}"
            found.error = f"a bug in archdsl or in a component: {found.bug}"
            return False
        for line in budgets:
            if (line["at"], is_fused(line["rule"])) == (size, fuse):
                count = by_rule(closed, line["quantity"], line["rule"])
                if not _COMPARE[line["operator"]](count, line["limit"]):
                    found.bug = f"{line['quantity']} is {count}, which is not {line['operator']} {line['limit']}"
                    found.error = f"a bug in archdsl: a spec over budget was proposed: {found.bug}"
                    return False
    return True


def _quoted(error: BaseException) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    return text if len(text) <= 400 else f"{text[:397]}..."
