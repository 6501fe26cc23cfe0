"""Spaces drawn at random: every construct of the language in which a decision can change what another one costs."""

from __future__ import annotations

from random import Random

LETS = {"width": "8", "e": "8", "g": "1", "ratio": "2", "pace": "2", "kernel": "3"}
TOKENS = [
    "dwconv(3x3)",
    "dwconv(5x5)",
    "attention(head_dim = 4)",
    "attention(head_dim = 2)",
    "identity",
    "conv(1x1)",
    "gated",
    "gated_sum(3)",
    "dilated_reparam(kernel = 7x7)",
    "cycle(dwconv(3x3), attention(head_dim = 4))",
    "cycle(dwconv(3x3), dwconv(5x5), conv(1x1))",
    "cycle(conv(1x1), cycle(dwconv(3x3), dwconv(5x5)), dwconv(7x7))",
    "cycle(conv(1x1), cycle(dwconv(3x3), dwconv(5x5), conv(3x3)))",
    "local",
    "(dwconv(3x3) + conv(1x1))",
    "linear(e) -> gelu -> linear(dim)",
    "conv(3x3, groups = g)",
    "concat(conv(1x1, out = dim / 2), conv(3x3, out = dim / 2))",
    "split(dwconv(3x3), conv(1x1, out = dim / 2))",
]
CHANNELS = [
    "mlp(ratio = 2)",
    "mlp(ratio = 1)",
    "mlp(ratio = 3)",
    "conv_glu(ratio = 2)",
    "gate",
    "mlp(ratio = ratio)",
    "identity",
    "cycle(mlp(ratio = 1), mlp(ratio = 2))",
    "linear(dim)",
    "both(2)",
    "both(ratio)",
]
DOWNS = [
    "conv(3x3, stride = 2)",
    "conv(2x2, stride = 2)",
    "conv(1x1)",
    "conv(3x3, stride = 2) -> layernorm",
    "avgpool(2x2) -> conv(1x1)",
    "conv(3x3, stride = pace)",
]
LAYOUTS = {
    "plain": "then identity + dwconv(3x3)\n residual layernorm -> token\n residual layernorm -> channel",
    "short": "residual layernorm -> token",
    "wide(k)": "residual layernorm -> token\n residual dwconv(k)\n residual channel",
    "shaped": "then conv(3x3, out = e)\n residual layernorm -> mlp(ratio = 1)\n then conv(1x1, out = dim)",
    "skips": "residual conv(3x3, out = dim) skip fit(conv(1x1, out = dim))\n residual layernorm -> channel",
    "strided": "residual conv(3x3, out = dim, stride = stride) skip fit(conv(1x1, out = dim, stride = stride))\n"
    " residual channel",
    "bottle": "then conv(1x1, out = e)\n then dwconv(3x3)\n then token\n then conv(1x1, out = dim)",
}
NAMED = ["plain", "short", "wide(3)", "wide(5)", "shaped", "skips", "strided", "bottle", "wide(kernel)"]
STEM = "conv(4x4, out = width, stride = 4)"
RULES = ["", "", "", "", " by fused", " by deploy", " by conv_linear", " at 32x32", " at 32x32 by deploy", " at 24x24"]
FILE = """let gate = conv_glu(ratio = {gate})
let local = dwconv({local}) -> gelu
let gated = cycle(conv(1x1), local)
let gated_sum(n) = dwconv(n) + conv(1x1, bias = false)
let both(m) = mlp(ratio = m) -> gelu -> linear(dim)
"""


class Drawing:
    """The text of an arch `tiny` and of a space `small` over it, drawn from a seed; budgets are added by `text`."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.opened: list[str] = []
        self.layout = self._one(NAMED)
        self.stages = [self._stage(index) for index in range(self._one([1, 2, 2, 2, 3]))]
        self._lets()
        self._heads()
        local, gate = self._choice(["3x3", "3x3 | 5x5"], 0.15), self._choice(["2", "2 | 3"], 0.15)
        self.file = FILE.format(gate=gate, local=local)
        if self._happens(0.25):
            last = f"s{len(self.stages)}"
            rules = [
                f"s1.depth <= {last}.depth + 1",
                f"s1.depth + {last}.depth * 2 < 7",
                f"{last}.dim * 2 >= s1.dim * s1.depth",
            ]
            rules += ["e <= width", f"width / e < 2 <= {last}.dim", "width != 12", "s1.dim - e * 0.5 > 0"]
            self.opened.append(f"require {self._one(rules)}")

    def text(self, budgets: list[str]) -> str:
        layouts = "".join(f"  layout {name} {{ {lines} }}\n" for name, lines in LAYOUTS.items())
        lets = "".join(f"  let {name} = {value}\n" for name, value in LETS.items())
        arch = f"  input = 3x16x16\n  classes = 10\n  drop_path = ramp(0.1)\n{lets}{layouts}  layout = {self.layout}\n"
        arch += f"  stem = {STEM}\n" + "\n".join(self.stages) + f"\n{self.heads}\n"
        return f"{self.file}arch tiny {{\n{arch}}}\nspace small over tiny {{\n" + "\n".join([*self.opened, *budgets]) + "\n}\n"

    # --- drawing ------------------------------------------------------------------------------------------------

    def _happens(self, share: float) -> bool:
        return self.random.random() < share

    def _one(self, values):  # type: ignore[no-untyped-def]
        return self.random.choice(values)

    def _choice(self, values: list[str], share: float) -> str:
        return values[1] if self._happens(share) else values[0]

    def _among(self, base: str, pool: list[str], count: int) -> str:
        found = [base, *self.random.sample([each for each in pool if each != base], count)]
        self.random.shuffle(found)
        return " | ".join(found)

    def _stage(self, index: int) -> str:
        name, dim = f"s{index + 1}", "width" if index == 0 else "width * 2"
        token, channel, down = self._one(TOKENS), self._one(CHANNELS), self._one(DOWNS)
        depth = self._one([1, 2, 3])
        body = [f"dim = {dim}", f"depth = {depth}", f"token = {token}", f"channel = {channel}"]
        if index:
            body.append(f"down = {down}")
        elif self._happens(0.3):
            body.append("down = conv(1x1)")
        placed = self._happens(0.3)
        if placed:
            body.append(self._one(["first { stride = 2 }", "last { channel = mlp(ratio = 2) }"]))
        opened = []
        if self._happens(0.5):
            opened.append(f"depth = {max(1, depth - 1)}..{depth + self._one([0, 1, 2])}")
        if self._happens(0.4):
            opened.append("token = " + self._among(token, TOKENS, self._one([1, 1, 2])))
        if self._happens(0.3):
            opened.append("channel = " + self._among(channel, CHANNELS, self._one([1, 2])))
        if index and self._happens(0.25):
            opened.append("down = " + self._among(down, DOWNS, self._one([1, 2])))
        for share, line in (
            (0.12, f"dim = {dim} | width * 3"),
            (0.15, "layout = " + self._among(self.layout, NAMED, 1)),
            (0.12, "tail = none | layernorm"),
            (0.08, "tail = none | conv(1x1, out = e)"),
            (0.08, "tail = none | resize(s1) | concat(identity, s1 -> resize(s1))"),
            (0.1, "drop_path = ramp(0.1) | none | ramp(0.2)"),
            (0.15, f"{self._one(['first', 'last'])} {{ token = {self._among(token, TOKENS, 1)} }}"),
            (0.0 if placed else 0.08, "first { stride = 1 | 2 }"),
            (0.1, "let e = 8 | 12"),
        ):
            if self._happens(share) and not ("tail" in line and any("tail" in other for other in opened)):
                opened.append(line)
        if opened:
            self.opened.append(f"stage {name} {{\n" + "\n".join(opened) + "\n}")
        return f"stage {name} {{ " + "\n ".join(body) + " }"

    def _lets(self) -> None:
        for share, line in (
            (0.3, f"let width = 8..{self._one([12, 16])} step 4"),
            (0.3, f"let e = {self._one(['4..8 step 4', '8 | 12', '8 | width'])}"),
            (0.15, "let g = 1 | 2 | 4"),
            (0.2, "let ratio = 1.5..2 step 0.5"),
            (0.15, "let pace = 1 | 2"),
            (0.1, "let kernel = 3 | 5"),
            (0.1, "layout = " + self._among(self.layout, NAMED, 1)),
            (
                0.12,
                f"stem = {STEM} | conv(2x2, out = width, stride = 2) | conv(4x4, out = e, stride = 4)",
            ),
        ):
            if self._happens(share):
                self.opened.append(line)

    def _heads(self) -> None:
        pooled, last = "mean -> linear(classes)", f"s{len(self.stages)}"
        self.heads = f"head = {pooled}"
        kind = self.random.random()
        if kind < 0.2:
            self.heads = f"head main = {pooled}\nhead aux = s1 -> {pooled}\nlogits = main"
            if self._happens(0.6):
                self.opened.append(f"head aux = s1 -> {pooled} | s1 -> conv(1x1, out = 16) -> {pooled} | {pooled}")
            if self._happens(0.4):
                self.opened.append(f"head main = {pooled} | mean -> linear(e) -> gelu -> linear(classes)")
        elif kind < 0.35:
            node = self._one([f"{last} -> conv(1x1, out = e)", f"{last} -> resize(s1) -> conv(1x1, out = 8)"])
            self.heads = f"node n = {node}\nhead = n -> {pooled}"
            if self._happens(0.6):
                self.opened.append(f"head = n -> {pooled} | {self._one(['', 's1 -> ', 'n -> resize(s1) -> '])}{pooled}")
        elif self._happens(0.3):
            self.opened.append(f"head = {pooled} | {self._one(['s1 -> ', 'layernorm -> '])}{pooled}")
