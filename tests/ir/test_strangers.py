"""A spec is data from a stranger: each of these is one clear error, soon, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import archdsl
from archdsl.source.limits import FILE_BYTES
from archdsl.source.render import render
from tests.ir.support import TINY, changed

# a generous bound for a loaded machine: what these would take without their limits is minutes, or all memory
SECONDS = 30
MEMORY = 2 * 1024**3

CHILD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
import archdsl
from archdsl.source.render import render
found = archdsl.check([sys.argv[1]])
sys.stdout.write(" ".join(d.slug for d in found if d.severity == "error") + "\\n" + render(found))
"""


def checked(path: Path | str) -> tuple[list[str], str]:
    """The slugs of the errors and the rendered text, from a process that may take neither long nor much memory."""
    code = CHILD.format(memory=MEMORY, seconds=SECONDS)
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    slugs, _, text = done.stdout.partition("\n")
    return slugs.split(), text


def lets(count: int, first: str, following: str, params: str = "") -> str:
    """`a0`, and lets that are each made of the one before, which is `{a}` in `following`."""
    rest = (f"let a{i}{params} = " + following.format(a=f"a{i - 1}") for i in range(1, count + 1))
    return "\n  ".join([f"let a0{params} = {first}", *rest])


def number(text: str, name: str) -> str:
    """`TINY` whose width is a name of these lets."""
    return changed("let width = 32", f"{text}\n  let width = {name}")


def part(text: str, name: str) -> str:
    """`TINY` whose token mixer is a name of these lets."""
    return changed("let width", f"{text}\n  let width", "token = mixer }", f"token = {name} }}")


def stages(count: int, token: str = "gelu") -> str:
    rows = "\n  ".join(f"stage t{i} {{ dim = 64, depth = 1, down = none, token = {token} }}" for i in range(count))
    return changed("  head =", f"  {rows}\n  head =")


def nodes(count: int, source: str, last: str = "") -> str:
    """`TINY` with nodes, each reading what `source` makes of its number."""
    rows = [f"node n{i} = {source.format(before=i - 1, after=i + 1, around=(i + 1) % count)} -> gelu" for i in range(count)]
    return changed("  head =", "  " + "\n  ".join([*rows, *([last] if last else [])]) + "\n  head =")


def over(*lines: str) -> str:
    return TINY + "space s over tiny {\n" + "\n".join(lines) + "\n}\n"


def layout(line: str, count: int) -> str:
    return changed("    residual layernorm -> token\n", f"    {line}\n" * count)


DOUBLED = lets(40, "x", "{a}(x) + {a}(x)", "(x)") + "\n"
DEFAULTS = "let f0(x = 1) = x\n" + "\n".join(f"let f{i}(x = f{i - 1}(), y = f{i - 1}()) = x + y" for i in range(1, 41))
CYCLES = " -> ".join(f"cycle({', '.join(['gelu'] * count)})" for count in (2, 3, 5, 7, 11, 13, 17))
SIZES = "".join(f'expect flops = 1 at {64 + 4 * i}x64 because "x"\n' for i in range(3_000))

LIMITED = {
    "a billion blocks": changed("depth = 2", "depth = 1_000_000_000"),
    "a billion channels": changed("let width = 32", "let width = 1_000_000_000"),
    "doubling as numbers": number(lets(60, "1", "{a} + {a}"), "a60"),
    "squaring": number(lets(40, "2", "{a} * {a}"), "a40"),
    "doubling as sums": part(lets(40, "conv(1x1)", "{a} + {a}"), "a40"),
    "doubling as chains": part(lets(40, "conv(1x1)", "{a} -> {a}"), "a40"),
    "doubling of nothing": part(lets(40, "identity", "{a} + {a}"), "a40"),
    "doubling as splits": part(lets(40, "identity", "split({a}, {a})"), "a40"),
    "doubling as functions": number(lets(40, "x", "{a}(x) + {a}(x)", "(x)"), "a40(1)"),
    "doubling as functions of parts": part(lets(40, "gelu", "{a}(x) -> {a}(x)", "(x)"), "a40(1)"),
    "doubling as defaults": number(DEFAULTS, "f40()"),
    "doubling through arguments": number(lets(60, "x", "{a}({a}(x))", "(x)"), "a60(1)"),
    "doubling in the file": lets(40, "gelu", "{a} -> {a}") + "\n" + changed("token = mixer }", "token = a40 }"),
    "ten thousand lets deep": number(lets(10_000, "8", "{a}"), "a10000"),
    "ten thousand lets deep in the file": lets(10_000, "8", "{a}") + "\n" + changed("let width = 32", "let width = a10000"),
    "five thousand functions deep": number(lets(5_000, "x", "{a}(x)", "(x)"), "a5000(8)"),
    "lets deep as components": part(lets(3_000, "attention(heads = 2)", "{a}(qkv_bias = false)"), "a3000"),
    "ten thousand brackets": changed("let width = 32", "let width = " + "(" * 10_000 + "1" + ")" * 10_000),
    "ten thousand calls": changed("-> token", "-> gelu" + "()" * 10_000),
    "ten thousand minus signs": changed("let width = 32", "let width = " + "-" * 10_000 + "1"),
    "a number of 5,000 digits": changed("let width = 32", "let width = " + "9" * 5_000),
    "a number of 39 digits": changed("let width = 32", "let width = " + "9" * 39),
    "1e999999": changed("let width = 32", "let width = 1e999999"),
    "fractions without end": changed("let width = 32", "let width = 1" + " / 9999991" * 5_000),
    "sums of fractions": changed("let width = 32", "let width = 1" + "".join(f" + 1 / {9_000_000 + i}" for i in range(5_000))),
    "a large map": changed("3x64x64", "3x9999999999x9999999999"),
    "a map that grows": layout("then concat(identity, identity)", 60),
    "a large kernel": changed("dwconv(3x3)", "dwconv(99999x99999)"),
    "a large head": changed("linear(classes)", "linear(9_000_000_000_000)"),
    "much attention": changed("3x64x64", "3x20000x20000"),
    "far too many regions": changed("mixer }", "routing(topk = 1, regions = 1000000x1000000, head_dim = 8, pad = true) }"),
    "a long chain": changed("-> token", "-> gelu" * 20_000),
    "a long sum": changed("-> token", "-> (identity" + " + gelu" * 20_000 + ")"),
    "long layouts in deep stages": changed("depth = 2", "depth = 2000", text=layout("then gelu", 2_000)),
    "cycles of many lengths": changed("depth = 2", "depth = 2000", text=part(f"let x = {CYCLES}", "x")),
    "drop paths in deep stages": changed("depth = 2", "depth = 2000", text=layout("then gelu -> drop_path", 500)),
    "thousands of stages": stages(3_000),
    "bases without end": TINY + "\n".join(f"arch b{i} extends {f'b{i - 1}' if i else 'tiny'} {{}}" for i in range(3_000)),
    "bases without end, the last first": "\n".join(f"arch b{i} extends b{i + 1} {{}}" for i in range(3_000))
    + "\narch b3000 extends tiny {}\n"
    + TINY,
    "archs that are large together": changed("depth = 2", "depth = 900")
    + "\n".join(f"arch b{i} extends tiny {{ stage s1 {{ depth = {900 - i} }} }}" for i in range(500)),
    "large bases": stages(1_500) + "\n".join(f"arch b{i} extends tiny {{ classes = 3 }}" for i in range(1_000)),
    "expectations at many sizes": changed("let width", f"{SIZES}let width"),
    "a range of a trillion": over("let width = 1..1_000_000_000_000"),
    "a fine range": over("let width = 0.0..32.0 step 0.000000000001"),
    "too many decisions": over("let width = " + " + ".join(["(0 | 1)"] * 1_100)),
    "a space that doubles": DOUBLED + over("let width = a40(1 | 2)"),
    "a require that doubles": DOUBLED + over("stage s1 { depth = 1..2 }", "require a40(1) <= 3"),
    "a require of large numbers": over("stage s1 { depth = 1..2 }", "require 1" + " * 9007199254740991" * 20_000 + " <= 3"),
}


@pytest.mark.parametrize("title", LIMITED)
def test_limits(title: str, tmp_path: Path) -> None:
    path = tmp_path / "a.arch"
    path.write_text(LIMITED[title])
    slugs, text = checked(path)
    assert slugs == ["limit-exceeded"], text[:2000]
    assert len(text) < 20_000


UNKNOWN = "\n".join(f"let k{i} = no{i}" for i in range(5_000))

MANY_ERRORS = {
    "unknown names in a chain": changed("-> token", "".join(f" -> no{i}" for i in range(5_000))[1:]),
    "unknown names in lets": part(
        "\n  ".join(f"let k{i} = no{i}" for i in range(5_000)), " -> ".join(f"k{i}" for i in range(5_000))
    ),
    "unknown names in stages": changed(
        "  head =", "".join(f"  stage t{i} {{ token = no{i} }}\n" for i in range(2_000)) + "  head ="
    ),
    "unknown fields": changed("heads = 8", ", ".join(f"no{i} = 1" for i in range(5_000))),
    "names given twice": "let x = 1\n" * 10_000 + TINY,
    "unknown places": TINY + "arch a extends tiny {" + " ".join(f"stage t{i} {{}}" for i in range(5_000)) + "}",
    "unknown attributes": changed("classes   = 10", "\n".join(f"no{i} = 1" for i in range(5_000))),
    "unknown lets": TINY + "arch a extends tiny {" + " ".join(f"let t{i} = 1" for i in range(5_000)) + "}",
    "unknown heads": changed("head = mean", " ".join(f"head h{i} = no{i}\n" for i in range(2_000)) + "head = mean"),
    "unknown imports": "".join(f'import "no{i}.arch" (x{i})\n' for i in range(3_000)) + TINY,
    "unknown objectives": over("stage s1 { depth = 1..2 }", *[f"maximize no{i}" for i in range(5_000)]),
    "unread lets": changed("let width", "\n".join(f"let k{i} = {i}" for i in range(5_000)) + "\nlet width"),
}


@pytest.mark.parametrize("title", MANY_ERRORS)
def test_many_errors(title: str, tmp_path: Path) -> None:
    path = tmp_path / "a.arch"
    path.write_text(MANY_ERRORS[title])
    slugs, text = checked(path)
    assert len(slugs) <= 102 and len(text) < 60_000
    assert slugs or title == "unread lets"


HARMLESS = {
    "doubling that nobody reads": changed("let width", f"{lets(40, '1', '{a} + {a}')}\n  let width"),
    "many lets": changed("let width", "\n  ".join(f"let k{i} = {i}" for i in range(8_000)) + "\n  let width"),
    "many nodes": nodes(3_000, "n{before}").replace("n-1", "s1"),
    "many nodes, the last first": nodes(3_000, "n{after}", "node n3000 = s1"),
    "many stages": stages(400),
    "deep stages": changed("depth = 2", "depth = 1000"),
    "a space of 2^60 points": over(
        "stage s1 { token = mixer"
        + "".join(f" | attention(heads = 2 | 4, qkv_bias = true | false) -> conv({i}x{i})" for i in range(1, 61, 2))
        + " }"
    ),
    "many alternatives": over(f"stage s1 {{ token = mixer{''.join(f' | conv({i}x{i})' for i in range(1, 4_000, 2))} }}"),
    "nested alternatives": over("stage s1 { token = " + "(gelu | " * 40 + "mixer" + ")" * 40 + " }"),
    "long requires": over("stage s1 { depth = 1..2 }", "require " + " <= ".join(["s1.depth"] * 5_000)),
    "many budgets": over("stage s1 { depth = 1..2 }", *["budget params <= 1G"] * 5_000),
    "calls of deep lets in a space": lets(5_000, "mixer", "{a}") + "\n" + over("stage s1 { depth = 1..2 }"),
}


@pytest.mark.parametrize("title", HARMLESS)
def test_what_is_large_but_allowed(title: str, tmp_path: Path) -> None:
    path = tmp_path / "a.arch"
    path.write_text(HARMLESS[title])
    slugs, text = checked(path)
    assert slugs == [] and len(text) < 50_000


ODD = {
    "circles of lets": (changed("let width = 32", "let width = a\n  let a = b\n  let b = width"), "recursive-let"),
    "circles of archs": ("arch a extends b {}\narch b extends a {}", "extends-cycle"),
    "circles of nodes": (nodes(3_000, "n{around}"), "graph-cycle"),
    "deep calls of lets in a space": (
        lets(5_000, "nothing", "{a}") + "\n" + over("stage s1 { token = a5000(heads = 1 | 2) }"),
        "limit-exceeded",
    ),
    "circles of lets called in a space": (
        "let p = q\nlet q = p\n" + over("stage s1 { token = p(heads = 1 | 2) }"),
        "recursive-let",
    ),
    "circles of components in an amendment": (
        "let p = q\nlet q = p\n" + TINY + "arch b extends tiny { stage s1 { token = p } }",
        "recursive-let",
    ),
}


@pytest.mark.parametrize("title", ODD)
def test_circles(title: str, tmp_path: Path) -> None:
    path = tmp_path / "a.arch"
    path.write_text(ODD[title][0])
    slugs, text = checked(path)
    assert slugs == [ODD[title][1]], text[:2000]
    assert len(text) < 5_000


SECRET = "root:x:0:0:root:/root:/bin/bash"

BYTES = {
    "a password file": f"{SECRET}\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n".encode(),
    "a binary": bytes(range(256)) * 64,
    "NUL": TINY.replace("width", "wi\0dth").encode(),
    "a bidirectional mark": TINY.replace("# ", "# \u202e").replace("tiny", "tiny # \u202e", 1).encode(),
    "half a character": b"arch \xed\xa0\x80 {}",
    "not UTF-8": TINY.encode().replace(b"tiny", b"t\xefny"),
    "UTF-16": TINY.encode("utf-16"),
    "a lone carriage return": TINY.replace("\n", "\r").encode(),
    "an escape sequence": TINY.replace("width", "\x1b[2Jwidth").encode(),
    "nothing": b"",
    "ten megabytes": b"#" * 10_000_000,
    "one byte too many": b"#" * (FILE_BYTES + 1),
    "words": b"lorem ipsum dolor sit amet " * 1_000,
    "brackets": b"{" * 100_000,
    "quotes": b'"' * 100_001,
    "JSON": b'{"arch": "a", "input": [3, 224, 224]}',
    "names that look alike": changed("width", "wіdth").encode(),
}


@pytest.mark.parametrize("suffix", [".arch", ".yaml", ".txt"])
@pytest.mark.parametrize("title", BYTES)
def test_files_that_are_no_specs(title: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(BYTES[title])
    slugs, text = checked(path)
    if title == "nothing":
        assert slugs in ([], ["no-model"])
        return
    assert slugs and len(slugs) <= 20
    assert text.isprintable() or {ch for ch in text if not ch.isprintable()} == {"\n"}
    if title in ("a binary", "NUL", "not UTF-8", "UTF-16", "ten megabytes", "one byte too many", "half a character"):
        assert len(slugs) == 1 and slugs[0] in ("not-text", "limit-exceeded")
        assert "width" not in text


def test_an_imported_file_that_is_no_spec_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff" + SECRET.encode())
    main = tmp_path / "a.arch"
    main.write_text('import "secret" (x)\narch a extends x {}')
    slugs, text = checked(main)
    assert slugs == ["not-text"] and "root:" not in text


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.arch")
    (tmp_path / "folder.arch").mkdir()
    (tmp_path / "loop.arch").symlink_to(tmp_path / "loop.arch")
    (tmp_path / "device.arch").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "loop", "device"):
        slugs, text = checked(tmp_path / f"{name}.arch")
        assert len(slugs) == 1 and slugs[0] == "unreadable-file", text
    for path in ("/dev/zero", "/dev/stdin", "/proc/self/mem", "/", "a\0b", "x" * 5_000, "", "no\x1b[2Jthing"):
        found = archdsl.check([path])
        assert [d.slug for d in found] == ["unreadable-file"], path[:20]
        assert "\x1b" not in render(found)
    # and neither are they imported
    for name in ("pipe", "folder", "loop", "device"):
        (tmp_path / "a.arch").write_text(f'import "{name}.arch" (x)\narch a extends x {{}}')
        slugs, text = checked(tmp_path / "a.arch")
        assert slugs in (["import-missing"], ["unreadable-file"], ["import-outside"]), text


ALIASES = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "\n".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]" for i in range(9)
)


@pytest.mark.parametrize(
    "text",
    [
        ALIASES,
        "arch: !!python/object/apply:os.system ['true']",
        "arch: a\nlet: &x\n  y: *x",
        "? [a, b]\n: c",
        "[" * 10_000,
        "{a: " * 10_000,
        "- " * 10_000,
        "arch: a\n" + "x: " * 10_000,
        "--- a\n--- b\n",
        "%YAML 9.9\n---\narch: a",
    ],
    ids=["aliases", "tag", "recursive", "complex key", "lists", "maps", "dashes", "colons", "documents", "version"],
)
def test_yaml(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    slugs, rendered = checked(path)
    assert 1 <= len(slugs) <= 21 and len(rendered) < 30_000


def test_names_of_archs_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "a.arch"
    path.write_text(TINY)
    for name in ("x" * 10_000, "a.b", "\0", "\x1b[2J", "../tiny", "tiny\n"):
        with pytest.raises(archdsl.SpecError) as caught:
            archdsl.load(path, name=name)
        assert "\x1b" not in str(caught.value) and len(str(caught.value)) < 1_000
