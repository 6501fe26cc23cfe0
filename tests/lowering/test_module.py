from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from archdsl.ir.network import buffers, weights
from archdsl.lowering.export import images
from archdsl.lowering.module import Backbone, lower
from archdsl.source.diagnostic import SpecError
from tests.lowering import networks

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def small() -> Backbone:
    return lower(networks.small()).eval()


@pytest.fixture(scope="module")
def branching() -> Backbone:
    return lower(networks.branching()).eval()


@pytest.mark.parametrize("network", [networks.small(), networks.branching()], ids=lambda n: n.name)
def test_keys_and_shapes_are_those_of_the_network(network: networks.Network) -> None:
    found = {key: tuple(tensor.shape) for key, tensor in lower(network).state_dict().items()}
    assert found == {**weights(network), **buffers(network)}


def test_keys_are_made_of_the_words_of_the_spec(small: Backbone, branching: Backbone) -> None:
    keys = small.state_dict().keys()
    assert {"stem.conv.weight", "stages.s2.0.token.qkv.weight", "stages.s2.down.conv.weight", "head.linear.weight"} <= keys
    keys = branching.state_dict().keys()
    assert {"stages.s1.0.squeeze.conv.weight", "stages.s1.0.skip.shortcut.conv.weight", "head.aux.linear.bias"} <= keys


def test_forward_is_the_head_of_the_features(small: Backbone) -> None:
    x = images(small, 2)
    features = small.forward_features(x)
    assert features.shape == (2, 32, 7, 7)
    assert torch.equal(small.forward_head(features), small(x))
    assert small(x).shape == (2, 10)


def test_a_graph_is_computed_as_written(branching: Backbone) -> None:
    x = images(branching, 2)
    m = branching
    stem = m.stem.conv(x)
    block = m.stages.get_submodule("s1.0")
    y = block.squeeze.conv_2(block.squeeze.gelu(block.squeeze.conv(stem)))
    y = block.skip.shortcut.batchnorm(block.skip.shortcut.conv(stem)) + y
    y = torch.cat([block.conv(y[:, :4]), block.gelu(y[:, 4:])], 1)
    s1 = m.stages.s1.tail.layernorm(y)
    guide = m.nodes.guide.conv(s1)
    z = s1 + 0.5 * guide
    block = m.stages.get_submodule("s2.0")
    z = z + block.conv(torch.cat([z, guide], 1))
    z = z + block.channel(z)
    main = m.head.main.linear(z.mean((2, 3)))
    aux = m.head.aux.linear(guide.mean((2, 3)))
    torch.testing.assert_close(m(x), main + 0.5 * aux, rtol=1e-5, atol=1e-5)


def test_training_returns_all_heads_and_evaluation_skips_what_is_trained_only(branching: Backbone) -> None:
    x = images(branching, 2)
    called: list[str] = []
    hooks = [branching.head.get_submodule(n).register_forward_hook(lambda *_, n=n: called.append(n)) for n in branching.heads]
    branching(x)
    assert called == ["main", "aux"]
    branching.train()
    out = branching(x)
    branching.eval()
    assert list(out) == ["main", "aux", "extra"]
    assert called[2:] == ["main", "aux", "extra"]
    for hook in hooks:
        hook.remove()


def test_logits_may_be_made_of_one_head_and_of_what_is_no_head() -> None:
    network = networks.small(dim=10)
    vector = network.values["head"].y
    wide = networks.chain(networks.read("s1", network.values["s1"].y), (networks.MEAN, "mean"), x=vector)
    wide = dataclasses.replace(wide, y=vector)
    logits = networks.total(networks.read("head", vector), wide, scales=(2.0, 1.0))
    module = lower(dataclasses.replace(network, logits=logits)).eval()
    x = images(module, 2)
    features = module.forward_features(x)
    assert sorted(features) == ["s1", "s2"]
    want = 2 * module.head(features["s2"]) + features["s1"].mean((2, 3))
    torch.testing.assert_close(module(x), want)
    module.train()
    assert module(x).shape == (2, 10)


def test_feature_info_tells_what_hooks_see(small: Backbone, branching: Backbone) -> None:
    for module in (small, branching):
        seen = {}
        hooks = [
            module.get_submodule(info.module).register_forward_hook(
                lambda _m, _x, y, n=info.name, seen=seen: seen.update({n: y.shape})
            )
            for info in module.feature_info
        ]
        module(images(module, 2))
        for hook in hooks:
            hook.remove()
        assert seen == {info.name: (2, info.channels, *info.size) for info in module.feature_info}
    assert [info.reduction for info in small.feature_info] == [4, 8]


def test_stateless_parts_have_names_of_their_own(small: Backbone, branching: Backbone) -> None:
    assert type(small.stem.gelu).__name__ == "Gelu"
    assert sum(type(m).__name__ == "Gelu" for m in branching.modules()) == 3


def test_a_stateless_part_gives_way_to_a_name_with_weights() -> None:
    x = networks.FeatureMap(4, networks.Size(8, 8))
    from archdsl.lowering import grow

    level = grow.level(networks.chain((networks.GELU, "mix"), (networks.conv(4), "mix"), (networks.GELU, "mix"), x=x), "k", 0)
    assert list(level.state_dict()) == ["mix.weight", "mix.bias"]
    assert [name for name, _ in level.named_children()] == ["mix_2", "mix", "mix_3"]
    with pytest.raises(ValueError, match=r"two parts are called k\.mix"):
        grow.level(networks.chain((networks.conv(4), "mix"), (networks.conv(4), "mix"), x=x), "k", 0)


def test_a_part_called_like_a_method_of_modules_is_refused() -> None:
    from archdsl.lowering import grow

    x = networks.FeatureMap(4, networks.Size(8, 8))
    for name in ("half", "train", "training", "step"):
        with pytest.raises(SpecError) as caught:
            grow.level(networks.chain((networks.conv(4), name), x=x), "k", 0)
        assert caught.value.diagnostics[0].slug == "reserved-label"
        assert f"`{name}`" in caught.value.diagnostics[0].message


def test_a_module_that_breaks_its_component_s_promise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(networks.linear(1)), "weights", lambda self, x: {"weight": (1, 1)})
    with pytest.raises(SpecError) as caught:
        lower(networks.small())
    (found,) = caught.value.diagnostics
    assert found.slug == "broken-plugin"
    assert found.message.startswith("the component `linear` of the package `archdsl` fails at `head.linear`: its spec promises")
    assert [note.message for note in found.notes] == [
        "there, and not promised: bias 10",
        "of another shape: weight is 10x32, not 1x1",
    ]


@pytest.mark.parametrize("error", [ImportError("no such device"), ValueError("no such device")])
def test_a_module_that_cannot_be_made_is_named(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(spec: object, x: object) -> None:
        raise error

    monkeypatch.setattr("archdsl.lowering.grow.instantiate", fail)
    with pytest.raises(SpecError) as caught:
        lower(networks.small())
    (found,) = caught.value.diagnostics
    assert found.slug == "broken-plugin"
    assert found.message.endswith(f"`archdsl` fails at `stem.conv`: {type(error).__name__}: no such device")
    assert caught.value.__cause__ is error


def test_a_module_that_fails_while_it_runs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.budget.fvcore_count import measure
    from archdsl.lowering.fault import blamed

    network = networks.small()
    module = lower(network)
    monkeypatch.setattr(type(module.head.linear), "forward", lambda self, x: x.nothing)
    with pytest.raises(SpecError) as caught, blamed():
        measure(module, network)
    (found,) = caught.value.diagnostics
    assert "`linear` of the package `archdsl` fails at `head.linear`: AttributeError" in found.message


def test_what_fails_outside_of_components_stays_as_it_is() -> None:
    from archdsl.lowering.fault import blamed

    with pytest.raises(KeyError), blamed():
        raise KeyError("x")


def test_the_same_seed_gives_the_same_bits_and_leaves_the_random_state_alone(small: Backbone) -> None:
    before = torch.random.get_rng_state()
    again = lower(networks.small())
    assert torch.equal(torch.random.get_rng_state(), before)
    for key, tensor in small.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor), key
    other = lower(networks.small(), seed=1).state_dict()
    assert not torch.equal(other["stem.conv.weight"], small.state_dict()["stem.conv.weight"])


def test_a_change_in_one_place_leaves_the_other_weights_alone(small: Backbone) -> None:
    other = lower(networks.small(classes=7)).state_dict()
    for key, tensor in small.state_dict().items():
        assert key.startswith("head.linear") or torch.equal(other[key], tensor), key


def test_a_build_is_float32_on_the_cpu_whatever_is_the_default() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            module = lower(networks.small())
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert {(p.dtype, p.device.type) for p in module.parameters()} == {(torch.float32, "cpu")}


def test_reset_classifier_replaces_the_last_linear_of_each_head() -> None:
    for module in (lower(networks.small()), lower(networks.branching())):
        module.eval()
        x = images(module, 2)
        kept = module.state_dict()
        module.reset_classifier(3)
        assert module.num_classes == 3
        assert module(x).shape == (2, 3)
        assert all(torch.equal(kept[k], v) for k, v in module.state_dict().items() if "linear" not in k)
        module.reset_classifier(0)
        assert module(x).ndim == 2
        module.reset_classifier(5)
        assert module(x).shape == (2, 5)
        with pytest.raises(ValueError, match="0 or more"):
            module.reset_classifier(-1)


def test_reset_classifier_without_a_classifier_says_so() -> None:
    network = networks.small()
    head = networks.chain((networks.BATCHNORM, "batchnorm"), (networks.MEAN, "mean"), x=network.values["s2"].y)
    module = lower(networks.replaced(network, head=head))
    with pytest.raises(ValueError, match="head `head` of `small` does not end in a `linear`"):
        module.reset_classifier(3)


@pytest.mark.parametrize("name", ["small", "branching"])
def test_copies_compute_the_same(name: str, request: pytest.FixtureRequest) -> None:
    module = request.getfixturevalue(name)
    x = images(module, 2)
    want = module(x)
    assert torch.equal(copy.deepcopy(module)(x), want)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x), want)


@pytest.mark.parametrize("name", ["small", "branching"])
def test_compiles_in_one_graph(name: str, request: pytest.FixtureRequest) -> None:
    module = copy.deepcopy(request.getfixturevalue(name))
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    x = images(module, 2)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), module(x))
        module.train()
        compiled(x)
    torch.compiler.reset()


def test_runs_under_func_transforms(small: Backbone) -> None:
    x = images(small, 2)
    state = {**dict(small.named_parameters()), **dict(small.named_buffers())}
    torch.testing.assert_close(torch.func.functional_call(small, state, (x,)), small(x))
    each = torch.func.vmap(lambda one: torch.func.functional_call(small, state, (one.unsqueeze(0),)).squeeze(0))(x)
    torch.testing.assert_close(each, small(x), rtol=1e-4, atol=1e-4)
    stacked = {key: torch.stack([tensor, tensor]) for key, tensor in state.items()}
    both = torch.func.vmap(lambda s: torch.func.functional_call(small, s, (x,)))(stacked)
    torch.testing.assert_close(both[1], small(x), rtol=1e-4, atol=1e-4)


def test_runs_under_autocast_and_in_channels_last(small: Backbone) -> None:
    x = images(small, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert small(x).dtype == torch.bfloat16
    last = copy.deepcopy(small).to(memory_format=torch.channels_last)
    assert last.stem.conv.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), small(x), rtol=1e-4, atol=1e-4)


def test_trains_under_data_parallel_wrapping(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.lowering.data_parallel", str(tmp_path / "store")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout.split()) == (0, [networks.small().name, networks.branching().name]), done.stderr
