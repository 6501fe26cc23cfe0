"""Names in the state_dict: a part is called by the word written at its place."""

from __future__ import annotations

from archdsl.ir.network import Network, buffers, network_leaves, weights
from tests.ir.support import TINY, changed, network, within


def keys(text: str | Network) -> list[str]:
    return [key for key, _ in network_leaves(network(text) if isinstance(text, str) else text)]


def block(text: str, line: str) -> list[str]:
    """The names in the one block of the one stage, whose layout is a line."""
    head, _, rest = text.partition("  layout {")
    tail = rest[rest.index("  default {") :].replace("depth = 2", "depth = 1")
    stages = [row for row in tail.split("\n") if "stage s2" not in row]
    found = keys(f"{head}  layout {{ {line} }}\n\n" + "\n".join(stages))
    return [key.removeprefix("stages.s1.0.") for key in found if key.startswith("stages.s1.0.")]


def test_the_keys_of_a_whole_arch() -> None:
    assert keys(TINY) == [
        *("stem.conv", "stem.batchnorm"),
        *(f"stages.s1.{i}.{name}" for i in range(2) for name in ("dwconv", "layernorm", "token", "layernorm_2", "channel")),
        *("stages.s2.down.conv", "stages.s2.down.batchnorm"),
        *(f"stages.s2.{i}.{name}" for i in range(3) for name in ("dwconv", "layernorm", "token", "layernorm_2", "channel")),
        *("head.mean", "head.layernorm", "head.linear"),
    ]


def test_the_names_of_weights_and_buffers() -> None:
    found = network()
    names = list(weights(found))
    assert names[:4] == ["stem.conv.weight", "stem.conv.bias", "stem.batchnorm.weight", "stem.batchnorm.bias"]
    assert names[-2:] == ["head.linear.weight", "head.linear.bias"]
    assert weights(found)["stages.s1.0.token.qkv.weight"] == (96, 32)
    assert list(buffers(found))[:3] == [
        f"stem.batchnorm.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
    ]


def test_equal_names_are_numbered_in_reading_order() -> None:
    assert block(TINY, "then conv(1x1) -> conv(3x3) -> conv(1x1)") == ["conv", "conv_2", "conv_3"]
    assert block(TINY, "then conv(1x1) + conv(3x3) then conv(1x1)") == ["conv", "conv_2", "conv_3"]


def test_only_parts_with_state_count() -> None:
    # an activation more or less renames nothing
    assert block(TINY, "then gelu -> conv(1x1) -> relu -> gelu -> conv(1x1)") == ["gelu", "conv", "relu", "gelu_2", "conv_2"]
    text = changed("let width", "let wider = conv(1x1)\n  let width")
    assert block(text, "then wider -> conv(1x1) -> wider") == ["wider", "conv", "wider_2"]


def test_a_name_that_is_taken_by_a_number() -> None:
    text = changed("let width", "let conv_2 = conv(1x1)\n  let width")
    assert block(text, "then conv_2 -> conv(1x1) -> conv(1x1)") == ["conv_2", "conv", "conv_3"]


def test_a_let_is_a_label() -> None:
    text = changed("let width", "let position = dwconv(3x3)\n  let width")
    assert block(text, "then identity + position") == ["position"]
    # where lets name lets, the outermost word counts
    text = changed("let width", "let inner = dwconv(3x3)\n  let position = inner\n  let width")
    assert block(text, "then identity + position") == ["position"]


def test_a_let_of_several_parts_is_a_level() -> None:
    text = changed("let width", "let wide = conv(1x1) -> gelu -> conv(1x1)\n  let width")
    assert block(text, "residual wide") == ["wide.conv", "wide.gelu", "wide.conv_2"]
    inner = ("conv", "gelu", "conv_2")
    assert block(text, "residual wide -> wide") == [f"{level}.{name}" for level in ("wide", "wide_2") for name in inner]
    text = changed("let width", "let wide = conv(1x1) + identity\n  let width")
    assert block(text, "residual wide") == ["wide.conv"]


def test_a_slot_is_a_level_when_it_holds_several_parts() -> None:
    text = changed("token = mixer }", "token = mixer -> conv(1x1) }")
    assert block(text, "residual token") == ["token.mixer", "token.conv"]
    assert block(TINY, "residual token") == ["token"]


def test_what_makes_no_level() -> None:
    assert block(TINY, "then split(conv(1x1, out = 16), dwconv(3x3))") == ["conv", "dwconv"]
    assert block(TINY, "then concat(conv(1x1, out = 16), conv(1x1, out = 16))") == ["conv", "conv_2"]
    assert block(TINY, "then (conv(1x1) -> (gelu -> conv(1x1)))") == ["conv", "gelu", "conv_2"]
    assert block(TINY, "then cycle(conv(1x1), dwconv(3x3))") == ["conv"]


def test_skip_paths_have_a_level_of_their_own() -> None:
    text = changed("let width", "let shortcut = avgpool(2x2) -> conv(1x1)\n  let width")
    found = block(text, "residual conv(1x1) -> conv(2x2, stride = 2) skip shortcut residual conv(1x1) skip fit(conv(1x1))")
    assert found == ["conv", "conv_2", "skip.shortcut.avgpool", "skip.shortcut.conv", "conv_3"]


def test_levels_of_stages_nodes_and_heads() -> None:
    text = changed(
        *("head = mean", "node early = s1 -> conv(1x1, out = 8)\n  head main = early -> mean"),
        *("stage s2 {", "stage s2 { from = s1 -> conv(1x1, out = 16), tail = layernorm,"),
    )
    found = keys(changed("head main", "head aux = mean -> linear(3)\n  logits = main\n  head main", text=text))
    for key in ("stages.s2.from.conv", "stages.s2.tail.layernorm", "nodes.early.conv", "head.main.linear", "head.aux.linear"):
        assert key in found


def test_words_that_modules_have() -> None:
    from tests.ir.support import told

    assert told(within("stage train { dim = 64, depth = 1, token = mixer }")) == [("reserved-label", "train")]
