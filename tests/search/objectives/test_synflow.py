"""`synflow` against closed forms, and against finite differences of the linear network written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from archdsl.search.objectives.objective import Candidate
from tests.search.objectives.specs import candidate, tiny, value


def matrices(of: Candidate) -> dict[str, np.ndarray]:
    """The absolute weights of all 1x1 convolutions and linear maps as matrices."""
    state = {name: np.abs(tensor.double().numpy()) for name, tensor in of.model().state_dict().items()}
    return {name: tensor.reshape(tensor.shape[0], -1) for name, tensor in state.items() if name.endswith("weight")}


@pytest.mark.parametrize(
    "between",
    [
        "conv(1x1)",
        "relu -> conv(1x1)",
        "batchnorm -> gelu -> conv(1x1)",
        "layernorm -> silu -> conv(1x1) -> groupnorm(groups = 2)",
    ],
)
def test_a_chain_has_its_number_of_layers_times_the_sum_over_paths(between: str) -> None:
    of = candidate(tiny(f"then {between}", depth=2))
    found = matrices(of)
    layers = [found["stem.conv.weight"], *(found[f"stages.s1.{k}.conv.weight"] for k in range(2)), found["head.linear.weight"]]
    flow = np.ones(3)
    for layer in layers:
        flow = layer @ flow
    assert value("synflow", of) == pytest.approx(math.log(len(layers) * flow.sum()), rel=1e-12)


def test_attention_passes_the_mean_of_the_values() -> None:
    of = candidate(tiny("residual layernorm -> token", more=", token = attention(heads = 2)"))
    found = matrices(of)
    h = found["stem.conv.weight"] @ np.ones(3)
    values = found["stages.s1.0.token.qkv.weight"][8:]
    head = found["head.linear.weight"].sum(0)
    branch = head @ found["stages.s1.0.token.proj.weight"] @ values @ h
    # stem and head carry all of the flow, values and projection that of the branch, queries and keys none
    assert value("synflow", of) == pytest.approx(math.log(2 * (head @ h + branch) + 2 * branch), rel=1e-12)


def test_attention_of_vectors_of_length_one_passes_the_mean_of_the_values() -> None:
    of = candidate(tiny("residual token", more=", token = cosine_attention(head_dim = 2)"))
    found = matrices(of)
    h = found["stem.conv.weight"] @ np.ones(3)
    head = found["head.linear.weight"].sum(0)
    branch = head @ found["stages.s1.0.token.proj.weight"] @ found["stages.s1.0.token.qkv.weight"][8:] @ h
    assert value("synflow", of) == pytest.approx(math.log(2 * (head @ h + branch) + 2 * branch), rel=1e-12)


def gated(layers: dict[str, np.ndarray]) -> float:
    """The flow through a residual gated MLP on one position, by hand."""
    h = layers["stem"] @ np.ones(48)
    gate, passed = np.split(layers["fc1"] @ h, 2)
    return float((layers["head"] @ (h + layers["fc2"] @ np.sqrt(layers["dw"] * gate * passed))).sum())


def test_a_gate_passes_the_geometric_mean() -> None:
    # one position: of the 3x3 kernel the middle alone meets it
    of = candidate(
        tiny(
            "residual layernorm -> channel",
            stem="conv(4x4, out = 4, stride = 4, bias = false)",
            more=", channel = conv_glu(ratio = 2)",
        )
    )
    found = matrices(of)
    inside = "stages.s1.0.channel"
    layers = {
        "stem": found["stem.conv.weight"],
        "fc1": found[f"{inside}.fc1.weight"],
        "dw": found[f"{inside}.dwconv.weight"][:, 4],
        "fc2": found[f"{inside}.fc2.weight"],
        "head": found["head.linear.weight"],
    }
    total = 0.0
    step = 1e-6
    for name, layer in layers.items():
        # sum of w * dR/dw over a layer is how R grows when the layer is scaled
        more, less = (gated({**layers, name: layer * (1 + sign * step)}) for sign in (1, -1))
        total += (more - less) / (2 * step)
    assert value("synflow", of) == pytest.approx(math.log(total), rel=1e-8)


def test_a_sigmoid_gate_is_open() -> None:
    plain, gate = (candidate(tiny(f"then {part}")) for part in ("identity", "squeeze_excite(ratio = 2)"))
    # the squeezed path carries no flow: its weights count nothing
    assert value("synflow", gate) == pytest.approx(value("synflow", plain), rel=1e-12)


def test_the_scale_of_a_branch_is_left_aside() -> None:
    one, small = (
        candidate(tiny(f"residual layernorm -> channel -> layer_scale({init})", more=", channel = mlp"))
        for init in ("1.0", "1e-6")
    )
    assert value("synflow", one) == value("synflow", small)


def test_depth_does_not_square_the_flow() -> None:
    deep = tiny("residual layernorm -> channel", more=", channel = conv_glu(ratio = 2)", depth=60)
    assert value("synflow", candidate(deep)) < 300
