"""The conformance suite: what every component has to pass, built in or from another package. Needs pytest.

class TestRouting(ComponentSuite):
    component = "routing"
    cases = [Case(FeatureMap(64, Size(14, 14)), {"topk": 4}, state=("qkv.weight", ...))]
"""

from __future__ import annotations

import copy
import importlib
import io
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from archdsl.schema.component import Component, instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, found, resolved
from archdsl.testing.site import Refused, shape_at
from archdsl.testing.unseen import seen, unseen

_HEAVY = ("torch", "triton", "optuna", "fvcore", "numpy", "rich", "yaml")
# fvcore does not see into these, or counts them wrongly
_HIDING = ("scaled_dot_product", "baddbmm", "rms_norm", "einsum", "PythonOp")
_STEP = 1e-6


class ComponentSuite:
    """Derive a test class from it, name the component, and give cases that cover its fields."""

    component: ClassVar[str]
    cases: ClassVar[Sequence[Case]]
    sizes: ClassVar[Sequence[Size]] = tuple(
        Size(*pair) for pair in ((14, 14), (7, 7), (8, 8), (13, 10), (9, 15), (28, 7), (5, 3), (1, 1))
    )
    """Maps tried beside those of the cases. Those that the shape rule refuses are left out."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", self.cases, ids=str)

    @pytest.fixture(autouse=True)
    def _repeatable(self) -> Iterator[None]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            yield

    def test_has_cases(self) -> None:
        assert self.cases, "a suite without a case tests nothing"
        written = {name for case in self.cases for name in case.fields}
        missing = [entry.name for entry in found(self.component).schema.fields if entry.name not in written]
        assert not missing, f"no case sets {missing}"

    def test_is_documented(self) -> None:
        schema = found(self.component).schema
        assert schema.doc, "the class has no docstring"
        undocumented = [entry.name for entry in schema.fields if not entry.doc.strip() or "\n" in entry.doc]
        assert not undocumented, f"fields without one line of doc: {undocumented}"
        folder = _folder(found(self.component))
        assert (folder / "README.md").is_file(), "no README.md beside the spec"
        assert (folder / "README.md").read_text(encoding="utf-8").startswith(f"# `{schema.name}`"), "its title is the name"

    def test_defaults_are_within_their_bounds(self) -> None:
        for entry in found(self.component).schema.fields:
            default = entry.default
            if entry.choices and isinstance(default, str):
                assert default in entry.choices, f"{entry.name}: {default!r} is no choice"
            numbers = default if isinstance(default, tuple) else (default,)
            for number in numbers:
                if isinstance(number, int | float) and not isinstance(number, bool):
                    assert entry.ge is None or number >= entry.ge, f"{entry.name}: {default} is too small"
                    assert entry.gt is None or number > entry.gt, f"{entry.name}: {default} is too small"
                    assert entry.le is None or number <= entry.le, f"{entry.name}: {default} is too large"
                    assert entry.lt is None or number < entry.lt, f"{entry.name}: {default} is too large"

    def test_spec_imports_nothing_heavy(self) -> None:
        module = found(self.component).__module__
        code = f"import sys, {module}; print(*sorted(set({_HEAVY!r}) & set(sys.modules)))"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert not ran.stdout.strip(), f"{module} imports {ran.stdout.strip()}"

    def test_spec_is_a_value(self, case: Case) -> None:
        spec = self._spec(case)
        assert pickle.loads(pickle.dumps(spec)) == spec
        assert copy.deepcopy(spec) == spec
        assert hash(spec) == hash(self._spec(case))

    def test_shape_rule_is_the_shape(self, case: Case) -> None:
        spec = self._spec(case)
        assert shape_at(spec, case.x), "the rule refuses the case itself"
        for x in self._maps(case):
            out = instantiate(spec, x).eval()(_input(x))
            assert tuple(out.shape) == (2, *shape_at(spec, x).shape), f"at {x}"

    def test_weights_and_buffers_are_the_modules(self, case: Case) -> None:
        spec, module = self._spec(case), self._module(case)
        weights = [(name, tuple(value.shape)) for name, value in module.named_parameters()]
        assert list(spec.weights(case.x).items()) == weights
        state = module.state_dict()
        buffers = [(name, tuple(value.shape)) for name, value in module.named_buffers() if name in state]
        assert list(spec.buffers(case.x).items()) == buffers

    def test_state_names_are_kept(self, case: Case) -> None:
        assert tuple(self._module(case).state_dict()) == case.state

    def test_cost_is_what_fvcore_counts(self, case: Case) -> None:
        spec = self._spec(case)
        for x in self._maps(case):
            counted, unsupported = seen(instantiate(spec, x).eval(), torch.randn(1, *x.shape))
            assert _nonzero(spec.cost(x).ops) == counted, f"at {x}"
            hiding = [op for op in (*unsupported, *counted) if any(word in op for word in _HIDING)]
            foreign = [op for op in unsupported if not op.startswith(("aten::", "prim::"))]
            assert not hiding + foreign, f"fvcore does not see into {hiding + foreign}"

    def test_unseen_is_what_is_left(self, case: Case) -> None:
        spec = self._spec(case)
        for x in self._maps(case):
            counted = unseen(instantiate(spec, x).eval(), torch.randn(1, *x.shape))
            assert _nonzero(spec.cost(x).unseen) == counted, f"at {x}"

    def test_a_seed_gives_the_same_module(self, case: Case) -> None:
        states = []
        for _ in range(2):
            torch.manual_seed(1)
            states.append(self._module(case).state_dict())
        for name, value in states[0].items():
            assert torch.equal(value, states[1][name]), name

    def test_evaluation_repeats_itself(self, case: Case) -> None:
        module, x = self._module(case).eval(), _input(case.x)
        with torch.no_grad():
            assert torch.equal(module(x), module(x))

    def test_images_do_not_see_each_other(self, case: Case) -> None:
        module, x = self._module(case).eval().double(), _input(case.x).double()
        with torch.no_grad():
            together = module(x)
            alone = torch.cat([module(image[None]) for image in x])
        torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)

    def test_vectorises_over_images(self, case: Case) -> None:
        module, x = self._module(case).eval().double(), _input(case.x).double()
        with torch.no_grad():
            mapped = torch.func.vmap(lambda image: module(image[None])[0])(x)
            torch.testing.assert_close(mapped, module(x), rtol=1e-9, atol=1e-9)

    def test_gradients_are_right_and_reach_everything(self, case: Case) -> None:
        module = _stirred(self._module(case)).eval().double()
        x = _input(case.x).double()
        parts = {"": x, **{name: value.detach() for name, value in module.named_parameters()}}
        directions = {name: torch.randn_like(value) for name, value in parts.items()}
        weight = torch.randn_like(module(x))

        def along(step: float) -> Tensor:
            moved = {name: value + step * directions[name] for name, value in parts.items()}
            image = moved.pop("")
            return (torch.func.functional_call(module, moved, (image,)) * weight).sum()

        leaves = {name: value.clone().requires_grad_() for name, value in parts.items()}
        image = leaves[""]
        rest = {name: value for name, value in leaves.items() if name}
        out = (torch.func.functional_call(module, rest, (image,)) * weight).sum()
        grads = dict(zip(leaves, torch.autograd.grad(out, list(leaves.values())), strict=True))
        unreached = [name or "the input" for name, grad in grads.items() if not grad.any()]
        assert not unreached, f"no gradient reaches {unreached}"

        slope = sum((grads[name] * directions[name]).sum() for name in grads)
        with torch.no_grad():
            measured = (along(_STEP) - along(-_STEP)) / (2 * _STEP)
        torch.testing.assert_close(slope, measured, rtol=1e-4, atol=1e-4)

    def test_trains(self, case: Case) -> None:
        module, x = self._module(case).train(), _input(case.x).requires_grad_()
        module(x).square().mean().backward()
        lost = [name for name, value in module.named_parameters() if value.grad is None or not value.grad.isfinite().all()]
        assert not lost, f"no finite gradient reaches {lost}"

    def test_copies_and_pickles(self, case: Case) -> None:
        module, x = self._module(case).eval(), _input(case.x)
        saved = io.BytesIO()
        torch.save(module, saved)
        saved.seek(0)
        with torch.no_grad():
            expected = module(x)
            for twin in (copy.deepcopy(module), torch.load(saved, weights_only=False)):
                assert torch.equal(twin(x), expected)

    def test_strides_do_not_matter(self, case: Case) -> None:
        if case.x.size is None:
            pytest.skip("a vector has one order in memory")
        module, x = self._module(case).eval().double(), _input(case.x).double()
        with torch.no_grad():
            last = module(x.contiguous(memory_format=torch.channels_last))
            torch.testing.assert_close(last, module(x), rtol=1e-9, atol=1e-9)

    def test_runs_under_autocast(self, case: Case) -> None:
        module, x = self._module(case).eval(), _input(case.x)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            out = module(x)
        assert out.shape[1:] == shape_at(self._spec(case), case.x).shape
        assert out.isfinite().all()

    def test_compiles_as_one_graph(self, case: Case) -> None:
        module, x = self._module(case).eval(), _input(case.x)
        torch.compiler.reset()
        with torch.no_grad():
            torch.testing.assert_close(torch.compile(module, fullgraph=True, backend="eager")(x), module(x))

    def test_exports_with_any_batch(self, case: Case) -> None:
        module, x = self._module(case).eval(), _input(case.x)
        batch = torch.export.Dim("batch", min=1)
        exported = torch.export.export(module, (x,), dynamic_shapes=({0: batch},)).module()
        more = torch.randn(3, *case.x.shape)
        with torch.no_grad():
            for images in (more, more[:1]):
                torch.testing.assert_close(exported(images), module(images))

    def _spec(self, case: Case) -> Component:
        return resolved(self.component, case.fields, case.x)

    def _module(self, case: Case) -> nn.Module:
        module: Any = instantiate(self._spec(case), case.x)
        assert isinstance(module, nn.Module)
        return module

    def _maps(self, case: Case) -> list[FeatureMap]:
        """The case's map, and those of `sizes` that the shape rule allows with as many channels."""
        if case.x.size is None:
            return [case.x]
        spec = self._spec(case)
        allowed = [case.x]
        for size in self.sizes:
            x = case.x.with_size(size)
            try:
                shape_at(spec, x)
            except Refused:
                continue
            allowed.append(x)
        return allowed


def _folder(cls: type[Component]) -> Path:
    file = importlib.import_module(cls.__module__).__file__
    assert file is not None
    return Path(file).parent


def _input(x: FeatureMap) -> Tensor:
    return torch.randn(2, *x.shape)


def _stirred(module: nn.Module) -> nn.Module:
    """The module with random values everywhere, so that a zero at the start hides no gradient."""
    with torch.no_grad():
        for value in module.parameters():
            value.add_(torch.randn_like(value), alpha=0.3)
    return module


def _nonzero(counts: Any) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
