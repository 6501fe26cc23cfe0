"""An operator measured at its published shapes: its kernel, its reference, and other implementations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from archdsl.bench.baselines import PUBLISHED, PUBLISHED_COMPILED, baselines, published
from archdsl.bench.counted import all_bytes
from archdsl.bench.gate import Gate, same
from archdsl.bench.machine import clocks, machine
from archdsl.bench.measure import Bench, Warm, measured, warm
from archdsl.bench.result import Pass, Result
from archdsl.bench.roofline import Ceilings, Least, ceilings, least
from archdsl.bench.settings import Settings
from archdsl.bench.timing import clock_of
from archdsl.bench.ways import COMPILED, KERNEL, REFERENCE, Absent, Way, compiled
from archdsl.kernels.operator import Operator
from archdsl.kernels.sample import Sample

NO_KERNEL_HERE = "there is no kernel for the CPU"


def bench_operator(operator: Operator, settings: Settings, samples: Sequence[Sample] | None = None) -> Result:
    """Measure an operator at its published shapes, or at some.

    All shapes are compiled and have run before the first is timed. Where the result or a gradient of the kernel is further from
    float64 than it may be, nothing is timed at that shape; another implementation that computes something else is not timed.
    """
    samples = operator.samples().PUBLISHED if samples is None else samples
    clock = clock_of(settings.device)
    before = clocks(settings.device)
    settings.step("measuring what the machine does at most")
    found = ceilings(settings.device, settings.dtype, clock)
    torch.compiler.reset()
    shapes = [_Shape(operator, sample, settings) for sample in samples]
    warmed = [shape.warm(found) for shape in shapes]
    cases = [measured(shape.bench(found), state, clock, settings) for shape, state in zip(shapes, warmed, strict=True)]
    torch.compiler.reset()
    return Result(
        operator.name,
        settings.batch,
        str(settings.dtype).removeprefix("torch."),
        settings.seed,
        machine(settings.device),
        found,
        before,
        clocks(settings.device),
        tuple(cases),
    )


class _Shape:
    """One shape of an operator. Its arguments are drawn anew each time: only those of one shape are there at once."""

    def __init__(self, operator: Operator, sample: Sample, settings: Settings) -> None:
        self._operator, self._sample, self._settings = operator, sample, settings
        own = [Way(KERNEL, operator, checked=True)] if settings.device.type == "cuda" else []
        # what is compiled belongs to them
        self._ways = [*own, Way(REFERENCE, operator.reference), *_compiled(COMPILED, operator.reference, settings)]
        if (other := published(operator)) is not None:
            self._ways += [Way(PUBLISHED, other, checked=True), *_compiled(PUBLISHED_COMPILED, other, settings)]
        self._parity: dict[str, tuple[str, ...]] = {}
        self._refused: dict[str, tuple[str, ...]] = {}
        self._no_room: set[str] = set()

    def warm(self, found: Ceilings) -> Warm:
        """Check the ways, and run those once that may be measured."""
        self._check()
        return warm(self.bench(found), self._settings)

    def bench(self, found: Ceilings) -> Bench:
        """The ways that may be measured, with arguments."""
        operator, settings = self._operator, self._settings
        arguments = self._drawn()
        given = [
            value.requires_grad_() if name in operator.differentiable else value
            for name, value in zip(operator.arguments, arguments, strict=True)
        ]
        wanted = [given[operator.arguments.index(name)] for name in operator.differentiable]
        y = operator.allocate(*arguments)[0]
        generator = torch.Generator().manual_seed(settings.seed)
        grad = torch.empty_like(y).copy_(torch.randn(y.shape, generator=generator).to(y))
        others: Sequence[Way | Absent] = baselines(operator, arguments)
        absent = [other for other in others if isinstance(other, Absent)]
        absent += [Absent(name, "out of memory where it is checked") for name in sorted(self._no_room)]
        if settings.device.type != "cuda":
            absent.insert(0, Absent(KERNEL, NO_KERNEL_HERE))
        unfit = self._refused.keys() | self._no_room
        # where the kernel is wrong there is nothing to compare
        others = () if KERNEL in self._refused else (*self._ways, *others)
        return Bench(
            str(self._sample),
            tuple(way for way in others if isinstance(way, Way) and way.key not in unfit),
            lambda way: way.run(*given),
            lambda way, result: torch.autograd.grad(result, wanted, grad),
            tuple(absent),
            rooflines(operator, arguments, grad, found),
            self._parity,
            self._refused,
        )

    def _check(self) -> None:
        """Find what the ways that are checked differ by."""
        arguments = self._drawn()
        every = (*self._ways, *baselines(self._operator, arguments))
        chosen = [way for way in every if isinstance(way, Way) and way.checked]
        if not chosen:
            return
        self._settings.step(f"checking {self._operator.name} at {self._sample}")
        gate = Gate(self._operator, arguments, seed=self._settings.seed)
        for way in chosen:
            try:
                errors = gate.errors(way.run)
            except torch.OutOfMemoryError:
                self._no_room.add(way.key)
                continue
            beyond = tuple(str(error) for error in errors if not (error.holds if way.name == KERNEL else same(error)))
            if beyond:
                self._refused[way.key] = beyond
            else:
                self._parity[way.key] = tuple(map(str, errors))

    def _drawn(self) -> tuple[Any, ...]:
        settings = self._settings
        draw = self._operator.samples().draw
        return tuple(draw(self._sample, settings.batch, dtype=settings.dtype, device=settings.device, seed=settings.seed))


def _compiled(name: str, run: Callable[..., Tensor], settings: Settings) -> list[Way]:
    return [compiled(name, run, mode, backend=settings.backend) for mode in settings.modes]


def rooflines(operator: Operator, arguments: tuple[Any, ...], grad: Tensor, found: Ceilings) -> dict[Pass, Least]:
    """The least time of each pass: arguments are read and results written once, nothing else is kept.

    The backward pass reads the arguments again, and the gradient of the result.
    """
    shapes = [tuple(value.shape) if isinstance(value, Tensor) else value for value in arguments]
    outputs = [tuple(output.shape) for output in operator.allocate(*arguments)]
    raised = operator.exponentials(*shapes)
    read = all_bytes(arguments)
    written = all_bytes([arguments[operator.arguments.index(name)] for name in operator.differentiable])
    forward = least(found, moved=read + all_bytes([grad]), macs=operator.macs(*shapes), exponentials=raised)
    macs = operator.backward_macs(tuple(grad.shape), *shapes, *outputs)
    backward = least(found, moved=read + all_bytes([grad]) + written, macs=macs, exponentials=raised)
    return {"forward": forward, "backward": backward, "forward+backward": forward + backward}
