from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from archdsl.lowering.keymap import KeyMap
from archdsl.lowering.keymap_reading import keymap_from_text, read_keymap
from archdsl.lowering.pattern import BadPattern, read_pattern, solver
from archdsl.source.diagnostic import Diagnostic, SpecError
from archdsl.testing.golden import golden

SPECS = Path("specs")


def keymap(*rules: str) -> KeyMap:
    return keymap_from_text("keys:\n" + "".join(f"  {rule}\n" for rule in rules))


def official_names(keymap: KeyMap, own: Iterable[str]) -> dict[str, str]:
    """The official name of each own one."""
    return {entry.own: entry.official for entry in keymap.entries(dict.fromkeys(own, (6,)))}


def refused(*rules: str, own: tuple[str, ...] = ()) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        official_names(keymap(*rules), own)
    return caught.value.diagnostics[0]


def test_a_rule_is_about_a_name_and_all_below_it() -> None:
    names = official_names(keymap("head: head.linear"), ["head.linear.weight", "head.linear.bias"])
    assert names == {"head.linear.weight": "head.weight", "head.linear.bias": "head.bias"}
    assert official_names(keymap("gamma: scale"), ["scale"]) == {"scale": "gamma"}
    assert "no rule" in refused("head: head.linear", own=("head.linear.weight", "head.linear_2.weight")).message


def test_numbers_are_solved_for() -> None:
    found = keymap("blocks.{i}.{j}: stages.s{i+1}.{2*j+1}.token")
    assert official_names(found, ["stages.s3.7.token.w"]) == {"stages.s3.7.token.w": "blocks.2.3.w"}
    # an even block and stage 0 come from no whole number
    assert refused("b.{i}.{j}: stages.s{i+1}.{2*j+1}.token", own=("stages.s3.6.token.w",)).slug == "key-map-mismatch"
    assert refused("b.{i}: stages.s{i+1}", own=("stages.s0.w",)).slug == "key-map-mismatch"
    # a number that would be below zero is none
    assert "no rule" in refused("b.{i-2}: stages.{i}", own=("stages.1.w",)).message
    assert official_names(keymap("b.{i-2}: stages.{i}"), ["stages.2.w"]) == {"stages.2.w": "b.0.w"}
    # leading zeros are not how numbers are written
    assert "no rule" in refused("b.{i}: stages.{i}", own=("stages.01.w",)).message
    # one variable at two places has one value
    assert official_names(keymap("b.{i}: x.{i}.{i+1}"), ["x.1.2"]) == {"x.1.2": "b.1"}
    assert "no rule" in refused("b.{i}: x.{i}.{i+1}", own=("x.1.3",)).message


def test_numbers_are_written_with_leading_zeros() -> None:
    found = keymap("block_{i:02}_{j:02}.norm: stages.s{i+1}.{j}.norm", "last_{3:02}: last", "r{k=0..1:03}: s.{k}")
    names = official_names(found, ["stages.s1.7.norm.weight", "stages.s3.27.norm.bias", "stages.s3.127.norm", "last", "s.1"])
    assert list(names.values()) == ["block_00_07.norm.weight", "block_02_27.norm.bias", "block_02_127.norm", "last_03", "r001"]
    # they stand in own names likewise
    found = keymap("a.{i}: b.{i:02}")
    assert official_names(found, ["b.07", "b.11", "b.112"]) == {"b.07": "a.7", "b.11": "a.11", "b.112": "a.112"}
    assert "no rule" in refused("a.{i}: b.{i:02}", own=("b.7",)).message
    assert "no rule" in refused("a.{i}: b.{i:02}", own=("b.007",)).message
    assert "is written like" in (refused("a.{i:2}: b.{i}", own=("b.7",)).label or "")


def test_ranges_write_a_rule_out() -> None:
    found = keymap("m.{j}.{a=0..1}.n: s.{2*j+a}.t", "r.{i=0..1}: t.{3*i+1}")
    names = official_names(found, ["s.0.t", "s.5.t", "t.1", "t.4"])
    assert names == {"s.0.t": "m.0.0.n", "s.5.t": "m.2.1.n", "t.1": "r.0", "t.4": "r.1"}
    assert "no rule" in refused("r.{i=0..1}: t.{i}", own=("t.2",)).message


def test_numbers_with_ranges_are_solved_for_or_tried() -> None:
    # `a` is told by one number, `b` and `c` are tried in the other
    found = keymap("x.{a=0..4}.{b=0..1}.{c=0..9}.{j}: s{5-a}.{20*j+10*b+c}")
    own = [f"s{5 - a}.{number}.w" for a in range(5) for number in range(65)]
    want = {f"s{5 - a}.{n}.w": f"x.{a}.{n % 20 // 10}.{n % 10}.{n // 20}.w" for a in range(5) for n in range(65)}
    assert official_names(found, own) == want
    assert "no rule" in refused("x.{a=0..4}: s{5-a}", own=("s0.w",)).message
    assert "no rule" in refused("x.{a=0..4}: s{5-a}", own=("s6.w",)).message
    # once told, a number with a range is known
    found = keymap("x.{a=1..2}.{b=0..9}: s.{3*a}.{10*a+b}")
    assert official_names(found, ["s.6.25"]) == {"s.6.25": "x.2.5"}
    assert "no rule" in refused("x.{a=1..2}.{b=0..9}: s.{3*a}.{10*a+b}", own=("s.3.25",)).message


def test_a_name_meets_the_rules_of_its_words_in_their_order() -> None:
    # digits inside of words, at the outer ends and in constants
    found = keymap("a.{i}: fc1.{i}2", "b.{i}: fc{i}.x_2", "c: fc2.12.{0}")
    names = {"fc1.72.w": "a.7.w", "fc7.x_2.w": "b.7.w", "fc2.12.0": "c"}
    assert official_names(found, names) == names
    twice = refused("a: x.{0}", "b: x", "c: x.0.w", own=("x.0.w",))
    assert (twice.span.text, twice.notes[0].span.text) == ("b: x", "a: x.{0}")


def test_a_stranger_s_key_map_is_read_and_used_in_little_time() -> None:
    start = time.monotonic()
    letters = "abcdefgh"
    pattern = "_".join(f"{{{letter}}}" for letter in letters)
    rule = f"x.{pattern}: p.{pattern}"
    assert "no rule" in refused(rule, own=("p." + "_".join(["1" * 9] * 7) + "1" * 5000 + "x",)).message
    many = [f"x{n}.{{i=0..9}}.{{j=0..9}}: w{'y' * n}.{{10*i+j}}" for n in range(20)]
    own = [f"w{'y' * n}.{k}.{leaf}" for n in range(20) for k in range(100) for leaf in "ab"]
    names = official_names(keymap(*many), own)
    assert names["wyyy.42.b"] == "x3.4.2.b"
    assert "more than 2_000 rules" in refused(*many, "a: b").label
    # thousands of rules about thousands of names: after some errors the rest is left aside
    same = refused(*(f"x{n}: y" for n in range(2000)), own=[f"y.{n}" for n in range(2000)])
    assert same.label == "`y.0` has two rules"
    assert time.monotonic() - start < 10


def test_rules_that_differ_in_their_numbers_are_found_by_these() -> None:
    many = [f"a.{n}.b{n + 7}.x: s{n}.t.{n}" for n in range(2000)]
    found = keymap(*many)
    start = time.monotonic()
    names = official_names(found, [f"s{n}.t.{n}.w{k}" for n in range(2000) for k in range(5)])
    assert time.monotonic() - start < 2.5
    assert len(names) == 10_000
    assert names["s7.t.7.w3"] == "a.7.b14.x.w3"
    # numbers of patterns and of names are of many forms
    found = keymap("a{i}: s{0}.t{i}", "b{i}: s0.t{2:02}.{i}", "c: s01.t", "d.{i}: s{i+1}.t.0")
    own = ("s0.t0", "s0.t1", "s0.t02.3.9", "s0.t2.3", "s01.t.5", "s2.t.0.w")
    assert tuple(official_names(found, own).values()) == ("a0", "a1", "b3.9", "a2.3", "c.5", "d.1.w")


def test_each_rule_is_used_and_each_name_has_one() -> None:
    unused = refused("a: b", "c: d", own=("b.w",))
    assert (unused.label, unused.span.text) == ("nothing has such a name", "c: d")
    twice = refused("a.{i}: b.{i}", "c: b.1", own=("b.0", "b.1"))
    assert twice.label == "`b.1` has two rules"
    assert twice.notes[0].span.text == "a.{i}: b.{i}"
    same = refused("a.{i}: b.{i}", "a.0: c", own=("b.0", "c"))
    assert same.label == "`b.0` and `c` get one official name, `a.0`"
    cases = refused("a.{j}.{i=0..1}: b.{j+i}", own=("b.1",))
    assert cases.label == "it gives `b.1` the names `a.1.0` and `a.0.1`"


def test_many_names_without_a_rule_are_counted() -> None:
    found = refused("a: b", own=("b", *(f"x.{i}" for i in range(14))))
    assert found.message.startswith("14 names")
    assert found.notes[0].message.endswith("x.9 ... 4 more")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no map"),
        ("- a\n", "no map"),
        ("keys:\n", "no `keys`"),
        ("source: x\n", "no `keys`"),
        ("names: {a: b}\n", "none of `source`, `keys`"),
        ("keys:\n  a: b\nkeys:\n  a: b\n", ""),
        ("keys:\n  a: b\n  a: c\n", ""),
        ("keys:\n  a:\n", "no name beside it"),
        ("keys:\n  a: [b]\n", "no name beside it"),
        ("keys:\n  a..c: b\n", "words between its points"),
        ("keys:\n  a b: b\n", "letters, digits"),
        ("keys:\n  a.{i: b\n", "letters, digits"),
        ("keys:\n  a.{i}{j}: b.{i}.{j}\n", "between them"),
        ("keys:\n  a.{i}.{j}: b.{i}1{j}\n", "neither begins nor ends with a digit"),
        ("keys:\n  a.{i}.{j}: b.{i}.2{j}\n", "neither begins nor ends with a digit"),
        ("keys:\n  a.{i}2.{j}: b.{i}.{j}\n", "neither begins nor ends with a digit"),
        ("keys:\n  a.{i}: b\n", "`i` must stand on both sides"),
        ("keys:\n  a.{i+j}: b.{i}.{j}\n", "one variable without a range"),
        ("keys:\n  a.{i}: b.{0*i}\n", "1 or more"),
        ("keys:\n  a.{-i}: b.{i}\n", "1 or more"),
        ("keys:\n  a.{i i}: b.{i}\n", "is written like"),
        ("keys:\n  a.{i*2}: b.{i}\n", "is written like"),
        ("keys:\n  a.{}: b\n", "is written like"),
        ("keys:\n  a.{i=2..1}: b.{i}\n", "the lower first"),
        ("keys:\n  a.{i=0..999999}: b.{i}\n", "the lower first"),
        ("keys:\n  a.{i=0..1}: b.{i=0..1}\n", "one side only"),
        ("keys:\n  a.{i=0..1}.{i=0..1}: b.{i}\n", "written twice"),
        ("keys:\n  a.{i=0..99}.{j=0..99}: b.{i}.{j}\n", "more than 2_000 rules"),
        ("keys:\n  a.{i=0..1}: b.{i-1}\n", "0 or more"),
        ("keys:\n  a.{i=0..2}: b.{1-i}\n", "0 or more"),
        ("keys:\n  a.{i=0..1}: b.{i-i}\n", "1 or more"),
        ("keys:\n  a: !!python/object:os.system b\n", ""),
        ("keys: &x\n  a: *x\n", ""),
        ("keys:\n  a: b\n c: d\n", ""),
        ("keys:\n  a: b[0/1]\n", "is no piece"),
        ("keys:\n  a: b[3/3]\n", "is no piece"),
        ("keys:\n  a: b[x/3]\n", "letters, digits"),
        ("keys:\n  a: b\nshapes: [a]\n", "no map of shapes"),
        ("keys:\n  a: b\nshapes:\n  a: [1]\n", "no axes beside it"),
        ("keys:\n  a: b\nshapes:\n  a: o 2\n", "axes are letters and ones"),
        ("keys:\n  a: b\nshapes:\n  a: (h) c\n", "axes are letters and ones"),
        ("keys:\n  a: b\nshapes:\n  a: oi\n", "axes are letters and ones"),
        ("keys:\n  a: b\nshapes:\n  a: o 1 o\n", "a letter of its own"),
        ("keys:\n  a: b\nshapes:\n  a.{i+j}: o 1\n", "one variable without a range"),
        ("keys:\n  a: b\nignore: a\n", "no list of names"),
        ("keys:\n  a: b\nignore:\n  - [a]\n", "no name"),
        ("keys:\n  a: b\nignore:\n  - a b\n", "letters, digits"),
        ("keys:\n  a: b\ncounters: some\n", "only be `none`"),
    ],
)
def test_a_bad_key_map_is_refused_at_its_place(text: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        keymap_from_text(text)
    found = caught.value.diagnostics[0]
    assert said in found.label
    assert found.span is not None
    assert str(caught.value)


def test_two_mistakes_are_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        keymap("a b: c", "d.{i}: e")
    assert [found.slug for found in caught.value.diagnostics] == ["bad-key-map", "bad-key-map"]


def entries(own: dict[str, tuple[int, ...]], *rules: str, rest: str = "") -> list[tuple[str, tuple[int, ...]]]:
    text = "keys:\n" + "".join(f"  {rule}\n" for rule in rules) + rest
    return [(entry.official, entry.shape) for entry in keymap_from_text(text).entries(own)]


def test_an_official_shape_is_told_by_the_own_axes() -> None:
    own = {"fc.weight": (8, 4), "fc.bias": (8,), "table": (7, 5, 3)}
    rest = "shapes:\n  head.4.weight: o i 1 1\n  pos: 1 (h w) c\n"
    found = entries(own, "head.4: fc", "pos: table", rest=rest)
    assert found == [("head.4.weight", (8, 4, 1, 1)), ("head.4.bias", (8,)), ("pos", (1, 35, 3))]
    # a line is about one name each, also with numbers
    found = entries({"a.0.w": (2, 3), "a.1.w": (2, 3)}, "b.{i}: a.{i}", rest="shapes:\n  b.{i=1..1}.w: 1 a b\n")
    assert found == [("b.0.w", (2, 3)), ("b.1.w", (1, 2, 3))]


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("shapes:\n  head: o i 1 1\n", "`keys` gives no such name"),
        ("shapes:\n  head.weight: o 1 1\n", "1 letters, and `head.weight` is 8x4 here"),
        ("ignore:\n  - head\n", "it gives the name `head.weight`, which `ignore` has"),
    ],
)
def test_a_shape_and_an_ignored_name_must_fit_the_rules(rest: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        entries({"fc.weight": (8, 4)}, "head: fc", rest=rest)
    assert caught.value.diagnostics[0].slug == "key-map-mismatch"
    assert said in caught.value.diagnostics[0].label


def test_official_tensors_are_pieces_of_an_own_one() -> None:
    own = {"s.0.qkv.weight": (12, 4), "s.0.qkv.bias": (12,)}
    rules = "b.{j}.k: s.{j}.qkv[1/3]", "b.{j}.q: s.{j}.qkv[0/3]", "b.{j}.v: s.{j}.qkv[2/3]"
    found = keymap(*rules).entries(own)
    told = {entry.official: (entry.own, str(entry.piece), entry.own_shape) for entry in found}
    assert told == {
        "b.0.q.weight": ("s.0.qkv.weight", "[0/3]", (4, 4)),
        "b.0.k.weight": ("s.0.qkv.weight", "[1/3]", (4, 4)),
        "b.0.v.weight": ("s.0.qkv.weight", "[2/3]", (4, 4)),
        "b.0.q.bias": ("s.0.qkv.bias", "[0/3]", (4,)),
        "b.0.k.bias": ("s.0.qkv.bias", "[1/3]", (4,)),
        "b.0.v.bias": ("s.0.qkv.bias", "[2/3]", (4,)),
    }
    assert entries(own, *rules, rest="shapes:\n  b.{j}.v.weight: o i 1 1\n")[2] == ("b.0.v.weight", (4, 4, 1, 1))


@pytest.mark.parametrize(
    ("rules", "shape", "said"),
    [
        (("q: a[0/3]", "k: a[1/3]"), (6,), "`a` has no rule for [2/3]"),
        (("q: a[0/2]", "k: a[0/2]", "v: a[1/2]"), (6,), "`a[0/2]` has two rules"),
        (("q: a[0/2]", "k: a[1/3]"), (6,), "`a` is cut into 3 pieces here"),
        (("q: a[0/2]", "k: a"), (6,), "`a` has two rules"),
        (("q: a[0/2]", "k: a[1/2]"), (5, 2), "`a` is 5x2, which has no 2 equal pieces along its first axis"),
        (("q: a[0/2]", "k: a[1/2]"), (), "`a` is one number, which has no 2 equal pieces along its first axis"),
        (("q.{i=0..1}: a[0/2]", "k: a[1/2]"), (6,), "must stand on both sides"),
    ],
)
def test_pieces_make_all_of_a_tensor(rules: tuple[str, ...], shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        keymap(*rules).entries({"a": shape})
    assert said in caught.value.diagnostics[0].label


def test_what_is_ignored_is_a_name_and_all_below_it() -> None:
    found = keymap_from_text("keys:\n  a: b\nignore:\n  - l.{i=0..1}.index\n  - mask\n")
    assert found.without_ignored(["l.0.index", "l.1.index.x", "l.2.index", "mask.a", "masks", "a"]) == [
        "l.2.index",
        "masks",
        "a",
    ]


def test_without_counters_they_are_read_and_not_written() -> None:
    found = keymap_from_text("keys:\n  bn: norm\ncounters: none\n")
    told = {e.official: e.written for e in found.entries({"norm.weight": (4,), "norm.num_batches_tracked": ()})}
    assert told == {"bn.weight": True, "bn.num_batches_tracked": False}


def test_plain_scalars_are_text() -> None:
    # to YAML 1.1 these are a boolean and numbers
    assert official_names(keymap("no: 010", "1_0: 0x1"), ["010", "0x1"]) == {"010": "no", "0x1": "1_0"}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read_keymap(tmp_path / "none.keys.yaml")
    assert caught.value.diagnostics[0].slug == "unreadable-file"


def test_a_pattern_is_read_backwards() -> None:
    official = read_pattern("x.{i}.{3*j-1}")
    assert list(solver(official, read_pattern("y{j}.{i+4}")).solutions([2, 9])) == [{"j": 2, "i": 5}]
    assert official.name({"j": 2, "i": 5}) == "x.5.5"
    with pytest.raises(BadPattern):
        read_pattern("x.{1+}")


OWN_T = {
    "": "stem.conv stem.batchnorm stem.conv_2 stem.batchnorm_2 head.batchnorm head.linear",
    "down": "conv batchnorm",
    "block": "dwconv layernorm token.qkv token.proj token.lepe layernorm_2 channel.fc1 channel.fc2",
}
OWN_STL = {
    "": "stem.conv stem.batchnorm head.batchnorm head.linear",
    "down": "batchnorm conv",
    "block": "layernorm token.qkv token.proj token.lepe layernorm_2 channel.fc1 channel.fc2",
}
OWN_DAVIT = {
    "": "stem.patch_embed stem.layernorm head.layernorm head.linear",
    "down": "layernorm patch_embed",
    "block": "dwconv layernorm token.qkv token.proj dwconv_2 layernorm_2 channel.fc1 channel.fc2",
}


@pytest.mark.parametrize(
    ("name", "model", "depths", "own"),
    [
        ("biformer_t", "biformer_tiny", (2, 2, 8, 2), OWN_T),
        ("biformer_stl", "biformer_stl", (2, 2, 6, 2), OWN_STL),
        ("davit_tiny", "davit_tiny", (2, 2, 6, 2), OWN_DAVIT),
    ],
)
def test_packaged_key_maps_give_the_published_modules(name: str, model: str, depths: tuple, own: dict) -> None:
    keys = own[""].split()
    for stage, depth in enumerate(depths, 1):
        if stage > 1:
            keys += [f"stages.s{stage}.down.{part}" for part in own["down"].split()]
        keys += [f"stages.s{stage}.{block}.{part}" for block in range(depth) for part in own["block"].split()]
    names = official_names(read_keymap(SPECS / f"{name}.keys.yaml"), keys)
    published = {key.rpartition(".")[0] for key, _, _ in golden(model)["keys"]}
    assert set(names.values()) == published


def test_a_name_of_any_length_is_looked_up_at_once() -> None:
    found = keymap_from_text("keys:\n  a.{i}: stages.s1.{i}.x\nignore:\n  - table.index\n")
    name = "a." * 500_000 + "x"
    start = time.perf_counter()
    assert found.without_ignored([name, "table.index.0", "table.indexes"]) == [name, "table.indexes"]
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("width", range(2, 10))
def test_numbers_of_every_width_are_read(width: int) -> None:
    numbers = (0, 7, 10 ** (width - 1), 10**width - 1, *([10**width] if width < 9 else []))
    own = [f"b.{number:0{width}}.w" for number in numbers]
    found = official_names(keymap(f"a.{{i}}: b.{{i:0{width}}}"), own)
    assert found == {key: f"a.{number}.w" for key, number in zip(own, numbers, strict=True)}
    refused(f"a.{{i}}: b.{{i:0{width}}}", own=("b.1.w",))
