"""The suite itself: a component that breaks its contract is caught, each breach by the test meant for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.schema import defaults
from archdsl.schema.component import Component, Site, component
from archdsl.schema.cost import Cost
from archdsl.schema.field import field
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.unseen import seen, unseen

X = FeatureMap(3, Size(4, 4))


class _Scale(nn.Module):
    """What a component's reference should be; each breach replaces one method."""

    def __init__(self, spec: Component, x: FeatureMap) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(x.channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class Shrinks(_Scale):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, 1:] * self.weight


class Idle(_Scale):
    def __init__(self, spec: Component, x: FeatureMap) -> None:
        super().__init__(spec, x)
        self.idle = nn.Parameter(torch.ones(1))


class Twice(_Scale):
    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight * 1.0


class SeesTheBatch(_Scale):
    def forward(self, x: Tensor) -> Tensor:
        return (x + x.roll(1, 0)) * self.weight


class WrongGradient(_Scale):
    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight).detach() + 0 * self.weight + 0 * x


class Fused(_Scale):
    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, x, x) * self.weight


class Random(_Scale):
    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + torch.rand(1)


class KeepsItsSize(_Scale):
    def __init__(self, spec: Component, x: FeatureMap) -> None:
        super().__init__(spec, x)
        self.positions = x.positions

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight / self.positions


class Rounds(_Scale):
    def __init__(self, spec: Component, x: FeatureMap) -> None:
        super().__init__(spec, x)
        self.register_buffer("third", torch.tensor(1 / 3), persistent=False)


class Branches(_Scale):
    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight if x.sum() > 0 else x + self.weight


def declared(module: type[nn.Module]) -> type[Component]:
    @component("scale", slot="map", module=f"{__name__}:{module.__name__}")
    @dataclass(frozen=True, slots=True)
    class Scale(Component):
        """Scale."""

        power: int = field(default=1, doc="not used")

        def shape(self, x: FeatureMap, site: Site) -> FeatureMap:
            site.require_map(x)
            return x

        def weights(self, x: FeatureMap) -> Mapping[str, tuple[int, ...]]:
            return {"weight": (x.channels, 1, 1)}

        def cost(self, x: FeatureMap) -> Cost:
            return Cost(unseen={"mul": x.elements})

    return Scale


class _Suite(ComponentSuite):
    component = "scale"
    cases = (Case(X, {"power": 2}, state=("weight",)),)


Suite = Callable[[type[nn.Module]], ComponentSuite]


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Suite:
    def of(module: type[nn.Module]) -> ComponentSuite:
        spec = declared(module)
        monkeypatch.setattr(defaults, "lookup", lambda name: spec)
        return _Suite()

    torch.manual_seed(0)
    return of


CASE = _Suite.cases[0]


def test_a_sound_component_passes(suite: Suite) -> None:
    sound = suite(_Scale)
    sound.test_shape_rule_is_the_shape(CASE)
    sound.test_other_maps_are_computed_as_by_a_module_made_for_them(CASE)
    sound.test_weights_and_buffers_are_the_modules(CASE)
    sound.test_cost_is_what_fvcore_counts(CASE)
    sound.test_unseen_is_what_is_left(CASE)
    sound.test_gradients_are_right_and_reach_everything(CASE)
    sound.test_images_do_not_see_each_other(CASE)


@pytest.mark.parametrize(
    ("module", "test"),
    [
        (Shrinks, "test_shape_rule_is_the_shape"),
        (KeepsItsSize, "test_other_maps_are_computed_as_by_a_module_made_for_them"),
        (Idle, "test_weights_and_buffers_are_the_modules"),
        (Idle, "test_state_names_are_kept"),
        (Twice, "test_unseen_is_what_is_left"),
        (SeesTheBatch, "test_images_do_not_see_each_other"),
        (WrongGradient, "test_gradients_are_right_and_reach_everything"),
        (Fused, "test_cost_is_what_fvcore_counts"),
        (Random, "test_evaluation_repeats_itself"),
        (Rounds, "test_tables_outlive_another_format"),
    ],
)
def test_a_breach_is_caught(suite: Suite, module: type[nn.Module], test: str) -> None:
    with pytest.raises(AssertionError):
        getattr(suite(module), test)(CASE)


@pytest.mark.parametrize("test", ["test_compiles_as_one_graph", "test_exports_with_any_batch"])
def test_a_branch_on_data_is_caught(suite: Suite, test: str) -> None:
    with pytest.raises(Exception, match=r"(?i)data.dependent"):
        getattr(suite(Branches), test)(CASE)


def test_a_field_that_no_case_sets_is_named(suite: Suite) -> None:
    class Poor(_Suite):
        cases = (Case(X),)

    suite(_Scale)
    with pytest.raises(AssertionError, match="power"):
        Poor().test_has_cases()


class _Arithmetic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 7)

    def forward(self, x: Tensor) -> Tensor:  # [B, 3, 4, 5]
        x = self.linear(x.transpose(1, 2))  # 84, and a bias that is free
        x = 1 - x.softmax(-1) / 2  # 84 div, 84 sub
        x += x.mean(-1, keepdim=True)  # 84 mean, 84 add
        return F.adaptive_avg_pool2d(x, 1) + F.layer_norm(x, (7,)).sum()  # 4 add, 84 sum


def test_the_referees_count_what_the_contract_says() -> None:
    module, x = _Arithmetic(), torch.randn(1, 3, 4, 5)
    assert unseen(module, x) == {"div": 84, "sub": 84, "mean": 84, "add": 84 + 4, "sum": 84}
    counted, unsupported = seen(module, x)
    assert counted == {"linear": 60 * 7, "adaptive_avg_pool2d": 84, "layer_norm": 84 * 4}
    assert "aten::softmax" in unsupported


def test_a_case_needs_its_required_fields() -> None:
    with pytest.raises(ValueError, match="needs the field kernel"):
        resolved("conv", {}, X)
    with pytest.raises(ValueError, match="no field"):
        resolved("conv", {"kernal": 3}, X)
    with pytest.raises(LookupError, match="no component"):
        resolved("conw", {}, X)
    made: Any = resolved("conv", {"kernel": 3}, X)
    assert (made.kernel, made.out) == (Size(3, 3), 3)
