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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from archdsl.components.folding import folded_state
from archdsl.schema.component import Component, instantiate
from archdsl.schema.defaults import found
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.kernelled import check_kernelled
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

    def test_a_kernel_has_all_that_belongs_to_it(self) -> None:
        tests = Path(sys.modules[type(self).__module__].__file__ or "").parent
        check_kernelled(found(self.component), _folder(found(self.component)), tests)

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
        assert ran.returncode == 0, f"{module} cannot be imported by itself:\n{ran.stderr}"
        assert not ran.stdout.strip(), f"{module} imports {ran.stdout.strip()}: import that in the module of the reference only"

    def test_spec_is_a_value(self, case: Case) -> None:
        spec = self._spec(case)
        told = "the class is no value: declare it `@dataclass(frozen=True, slots=True)`, with fields that compare by value"
        assert pickle.loads(pickle.dumps(spec)) == spec, f"pickled and read again it is another one; {told}"
        assert copy.deepcopy(spec) == spec, f"a copy is not equal to it; {told}"
        assert hash(spec) == hash(self._spec(case)), f"equal specs have different hashes; {told}"

    def test_shape_rule_is_the_shape(self, case: Case) -> None:
        spec = self._spec(case)
        assert shape_at(spec, case.x), "the rule refuses the case itself"
        for x in self._maps(case):
            out = instantiate(spec, x).eval()(_input(x))
            promised = (2, *shape_at(spec, x).shape)
            assert tuple(out.shape) == promised, (
                f"at {x} the module makes {tuple(out.shape)}, `shape` of the spec says {promised}: correct one of the two"
            )

    def test_other_maps_are_computed_as_by_a_module_made_for_them(self, case: Case) -> None:
        spec = self._spec(case)
        if spec.fixed(case.x):
            return
        module, state = _stirred(self._module(case)).eval().double(), _state(spec, case.x)
        # with other weights a backbone refuses the map, as it does what the shape rule refuses
        for x in (x for x in self._maps(case) if _state(spec, x) == state):
            other = instantiate(spec, x).eval().double()
            other.load_state_dict(module.state_dict())
            given = _input(x).double()
            told = f"made for {case.x} it computes something else at {x}: take sizes from x, or say `fixed` in the spec"
            with torch.no_grad():
                # what a module holds ready was made in single precision
                _close(module(given), other(given), told, 1e-5)

    def test_weights_and_buffers_are_the_modules(self, case: Case) -> None:
        spec, module = self._spec(case), self._module(case)
        weights = [(name, tuple(value.shape)) for name, value in module.named_parameters()]
        _same("weights", list(spec.weights(case.x).items()), weights)
        state = module.state_dict()
        buffers = [(name, tuple(value.shape)) for name, value in module.named_buffers() if name in state]
        _same("buffers", list(spec.buffers(case.x).items()), buffers)

    def test_grids_are_those_of_its_weights(self, case: Case) -> None:
        spec = self._spec(case)
        weights = spec.weights(case.x)
        for name, grid in spec.grids(case.x).items():
            assert name in weights, f"`grids` has `{name}`, which is no weight"
            after = weights[name][grid.axis :]
            one, two = after[:1] == (grid.extra + grid.size.area,), not grid.extra and after[:2] == tuple(grid.size)
            assert one or two, f"`{name}` is {weights[name]}: after {grid.axis} axes it has not the positions of {grid}"

    def test_state_names_are_kept(self, case: Case) -> None:
        names = tuple(self._module(case).state_dict())
        assert names == case.state, (
            f"the state_dict has the names {names}, the case says {case.state}: saved checkpoints have those names, so rename "
            "the module's parts back, or give `Case(..., state=...)` these names if the component is new"
        )

    def test_weight_decay_is_told_of_weights(self, case: Case) -> None:
        spec = self._spec(case)
        told = (*spec.decayed(), *spec.undecayed())
        wrong = [name for name in told if name not in spec.weights(case.x) or told.count(name) > 1]
        assert not wrong, f"`decayed` and `undecayed` name {wrong}, which are no weights, or told twice"

    def test_cost_is_what_fvcore_counts(self, case: Case) -> None:
        spec = self._spec(case)
        for x in self._maps(case):
            counted, unsupported = seen(instantiate(spec, x).eval(), torch.randn(1, *x.shape))
            _same_counts("ops", spec.cost(x).ops, counted, x, "fvcore counts")
            hiding = [op for op in (*unsupported, *counted) if any(word in op for word in _HIDING)]
            foreign = [op for op in unsupported if not op.startswith(("aten::", "prim::"))]
            assert not hiding + foreign, (
                f"at {x} fvcore does not see into {hiding + foreign}: write the reference with operators that it knows, "
                "such as `matmul` in place of `scaled_dot_product_attention` or `einsum`"
            )

    def test_unseen_is_what_is_left(self, case: Case) -> None:
        spec = self._spec(case)
        for x in self._maps(case):
            counted = unseen(instantiate(spec, x).eval(), torch.randn(1, *x.shape))
            _same_counts("unseen", spec.cost(x).unseen, counted, x, "there are")

    def test_a_seed_gives_the_same_module(self, case: Case) -> None:
        states = []
        for _ in range(2):
            torch.manual_seed(1)
            states.append(self._module(case).state_dict())
        for name, value in states[0].items():
            assert torch.equal(value, states[1][name]), (
                f"`{name}` differs between two modules of one seed: draw it with torch's global generator, not with another one"
            )

    def test_evaluation_repeats_itself(self, case: Case) -> None:
        module, x = self._module(case).eval(), _input(case.x)
        with torch.no_grad():
            assert torch.equal(module(x), module(x)), (
                "in evaluation two calls with the same images differ: leave out what is random, and keep nothing between calls"
            )

    def test_images_do_not_see_each_other(self, case: Case) -> None:
        module, x = self._module(case).eval().double(), _input(case.x).double()
        with torch.no_grad():
            together = module(x)
            alone = torch.cat([module(image[None]) for image in x])
        _close(together, alone, "an image gives something else beside others: no step may mix the first axis")

    def test_vectorises_over_images(self, case: Case) -> None:
        module, x = self._module(case).eval().double(), _input(case.x).double()
        with torch.no_grad():
            mapped = torch.func.vmap(lambda image: module(image[None])[0])(x)
            _close(mapped, module(x), "under `torch.func.vmap` the result differs: write no shape of the batch into the code")

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
        assert not unreached, f"no gradient reaches {unreached}: use it in `forward`, undetached, or leave it out"

        slope = sum((grads[name] * directions[name]).sum() for name in grads)
        with torch.no_grad():
            measured = (along(_STEP) - along(-_STEP)) / (2 * _STEP)
        told = "the gradient is not the slope that finite differences measure: is there a backward of your own, or a `detach`?"
        _close(slope, measured, told, 1e-4)

    def test_trains(self, case: Case) -> None:
        module, x = self._module(case).train(), _input(case.x).requires_grad_()
        module(x).square().mean().backward()
        lost = [name for name, value in module.named_parameters() if value.grad is None or not value.grad.isfinite().all()]
        assert not lost, (
            f"in training no finite gradient reaches {lost}: use it in `forward`, and divide by nothing that can be 0"
        )

    def test_the_fused_form_computes_the_same(self, case: Case) -> None:
        spec = self._spec(case)
        fused = spec.fused()
        if fused == spec:
            return
        assert fused.fused() == fused, "what `fused` gives can be fused again: let it give the last form at once"
        assert shape_at(fused, case.x) == shape_at(spec, case.x), "the fused form makes another map"
        module, other = _stirred(self._module(case)).eval().double(), instantiate(fused, case.x).eval().double()
        other.load_state_dict(folded_state(module))
        x = _input(case.x).double()
        with torch.no_grad():
            _close(other(x), module(x), "the fused form computes something else: `fold` has to give its state")

    def test_copies_and_pickles(self, case: Case) -> None:
        module, x = self._module(case).eval(), _input(case.x)
        saved = io.BytesIO()
        torch.save(module, saved)
        saved.seek(0)
        with torch.no_grad():
            expected = module(x)
            for twin in (copy.deepcopy(module), torch.load(saved, weights_only=False)):
                assert torch.equal(twin(x), expected), (
                    "a copy, or the module pickled and read again, gives another result: keep state in parameters and buffers"
                )

    def test_strides_do_not_matter(self, case: Case) -> None:
        if len(case.x.shape) < 3:
            pytest.skip("what is no map has one order in memory")
        module, x = self._module(case).eval().double(), _input(case.x).double()
        with torch.no_grad():
            last = module(x.contiguous(memory_format=torch.channels_last))
            _close(last, module(x), "in channels-last order the result differs: use `reshape`, not `view` or `as_strided`")

    def test_tables_outlive_another_format(self, case: Case) -> None:
        module, made = self._module(case), self._module(case)
        for name, table in _tables(made.half().float()).items():
            assert torch.equal(table, _tables(module)[name]), (
                f"the buffer `{name}` is rounded for good by `half()`: derive from `archdsl.components.tables.Tabled`"
            )

    def test_runs_under_autocast(self, case: Case) -> None:
        module, x = self._module(case).eval(), _input(case.x)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            out = module(x)
        promised = shape_at(self._spec(case), case.x).shape
        assert out.shape[1:] == promised, f"under autocast it makes {tuple(out.shape[1:])} of an image, not {promised}"
        assert out.isfinite().all(), "under autocast to bfloat16 it makes infinite numbers: sum or exponentiate in float32"

    def test_compiles_as_one_graph(self, case: Case) -> None:
        module, x = self._module(case).eval(), _input(case.x)
        torch.compiler.reset()
        with torch.no_grad():
            compiled = torch.compile(module, fullgraph=True, backend="eager")
            _close(compiled(x), module(x), "compiled as one graph it gives another result", None)

    def test_exports_with_any_batch(self, case: Case) -> None:
        module, x = self._module(case).eval(), _input(case.x)
        batch = torch.export.Dim("batch", min=1)
        exported = torch.export.export(module, (x,), dynamic_shapes=({0: batch},)).module()
        more = torch.randn(3, *case.x.shape)
        with torch.no_grad():
            for images in (more, more[:1]):
                told = f"exported, with {len(images)} images it gives another result: take sizes from the spec, not from x"
                _close(exported(images), module(images), told, None)

    def _spec(self, case: Case) -> Component:
        return resolved(self.component, case.fields, case.x)

    def _module(self, case: Case) -> nn.Module:
        module: Any = instantiate(self._spec(case), case.x)
        assert isinstance(module, nn.Module), (
            f"`{found(self.component).schema.module}` makes {type(module).__name__}, no module"
        )
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
    assert file is not None, f"`{cls.__module__}` is in no file, so that no README can lie beside it"
    return Path(file).parent


def _input(x: FeatureMap) -> Tensor:
    return torch.randn(2, *x.shape)


def _tables(module: nn.Module) -> dict[str, Tensor]:
    """The buffers outside of the state_dict."""
    return {name: value for name, value in module.named_buffers() if name not in module.state_dict()}


def _stirred(module: nn.Module) -> nn.Module:
    """The module with random values everywhere, so that a zero at the start hides no gradient."""
    with torch.no_grad():
        for value in module.parameters():
            value.add_(torch.randn_like(value), alpha=0.3)
    return module


def _nonzero(counts: Any) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _same(what: str, promised: list[tuple[str, tuple[int, ...]]], found: list[tuple[str, tuple[int, ...]]]) -> None:
    """Names, shapes and order of weights or buffers are those of the module."""
    said, there = dict(promised), dict(found)
    missing = [f"{name} {shape}" for name, shape in there.items() if name not in said]
    extra = [f"{name} {shape}" for name, shape in said.items() if name not in there]
    other = [f"{name} is {there[name]}, not {shape}" for name, shape in said.items() if name in there and there[name] != shape]
    facts = [
        f"{word}: {', '.join(names)}"
        for word, names in (("left out", missing), ("not there", extra), ("wrong", other))
        if names
    ]
    told = "; ".join(facts) or f"the same in another order, the module's is {list(there)}"
    assert promised == found, f"`{what}` of the spec are not those of the module: {told}"


def _same_counts(field: str, promised: Mapping[str, int], counted: Mapping[str, int], x: FeatureMap, words: str) -> None:
    """The cost of a spec is what was counted."""
    said, there = _nonzero(promised), _nonzero(counted)
    facts = [f"{name}: {words} {there.get(name, 0)}, `cost` says {said.get(name, 0)}" for name in sorted({*said, *there})]
    differing = [fact for fact, name in zip(facts, sorted({*said, *there}), strict=True) if said.get(name) != there.get(name)]
    assert said == there, f"at {x} `cost(x).{field}` of the spec is not what was counted: {'; '.join(differing)}"


def _state(spec: Component, x: FeatureMap) -> dict[str, tuple[int, ...]]:
    """The shapes of all weights and buffers at a map."""
    return {**spec.weights(x), **spec.buffers(x)}


def _close(found: Tensor, expected: Tensor, told: str, tolerance: float | None = 1e-9) -> None:
    """Two results are equal up to a tolerance, by default that of double precision."""
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance, msg=lambda text: f"{told}\n{text}")
