"""What would not fit is refused before anything is made."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.budget.fvcore_count import measure
from archdsl.lowering import memory
from archdsl.lowering.module import lower


def test_the_weights_are_those_of_the_module() -> None:
    network = archdsl.load("@biformer_t").network
    module = lower(network)
    assert memory.weight_bytes(network) == sum(weight.numel() * weight.element_size() for weight in module.parameters())


def test_activations_grow_with_the_batch_and_the_square_of_the_map() -> None:
    small, large = (archdsl.load("@davit_tiny", at=(size, size)).network for size in (224, 448))
    assert memory.activation_bytes(small, 3) == 3 * memory.activation_bytes(small, 1)
    # a component's maps alone are four times as large
    assert memory.activation_bytes(large, 1) >= 4 * memory.activation_bytes(small, 1)


def test_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    network = archdsl.load("@biformer_t").network
    module = lower(network)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_000_000)
    for work in (lambda: lower(network), lambda: measure(module, network), lambda: memory.refuse_build(network)):
        with pytest.raises(archdsl.SpecError) as caught:
            work()
        assert [diagnostic.slug for diagnostic in caught.value.diagnostics] == ["out-of-memory"]


def test_full_attention_on_a_huge_map_is_refused() -> None:
    network = archdsl.load("@biformer_t", at=(5600, 5600)).network
    available = memory.available_bytes()
    assert available is not None
    assert memory.activation_bytes(network, 1) > available


def test_a_system_that_does_not_tell_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    memory.refuse_beyond_memory(archdsl.load("@biformer_t").network, 2**60, "make")
