"""Small specs that together use everything the language has, and shortcuts to read them."""

from __future__ import annotations

from archdsl.lang import ast
from archdsl.lang.parse import parse_expression, parse_file
from archdsl.source.diagnostic import Report
from archdsl.source.text import Source


def file(text: str) -> ast.File:
    """The syntax of a text that must parse."""
    report = Report()
    tree = parse_file(Source("made by a test", text), report)
    assert tree is not None, (report.diagnostics, text)
    assert not report.diagnostics
    return tree


def expression(text: str) -> ast.Expr:
    """The syntax of an expression that must parse."""
    report = Report()
    return parse_expression(Source("made by a test", text), 0, len(text), report)


SAMPLES = {
    "pyramid": """\
# a pyramid of four stages
edition 1

arch pyramid {
  input     = 3x224x224
  classes   = 1000
  drop_path = ramp(0.1)  # by depth

  expect params = 13_142_760
  expect params = 13.1M
  expect flops  = 2_228_044_160 at 224x224
  expect flops  = 2.2G          at 224x224 by fvcore because "the paper rounds"

  let width  = 64
  let routed = routing(regions = 7x7, head_dim = 32, lepe = 5x5)
  let full   = attention(heads = 8, qkv_bias = false, lepe = 5x5, lepe_of = "input")

  layout {
    then identity + dwconv(3x3)  # never dropped
    residual layernorm(eps = 1e-6) -> token
    residual layernorm(eps = 1e-6) -> channel
  }

  default {
    channel = mlp(ratio = 3, act = gelu)
    down    = conv(3x3, stride = 2) -> batchnorm
  }

  stem = conv(3x3, out = width / 2, stride = 2) -> batchnorm -> gelu
      -> conv(3x3, out = width, stride = 2) -> batchnorm

  stage s1 { dim = width,     depth = 2, token = routed(topk =  1) }
  stage s2 { dim = width * 2, depth = 2, token = routed(topk =  4) }
  stage s3 { dim = width * 4, depth = 8, token = routed(topk = 16) }
  stage s4 { dim = width * 8, depth = 2, token = full }

  head = batchnorm -> mean -> linear(classes)
}
""",
    "streams": """\
let stack(n, act = gelu) = conv(1x1, out = n) -> act
layout shared(norm) { residual norm -> token skip identity, then norm }

arch streams extends pyramid {
  let context = e4 / 4

  layout focused {
    residual norm -> token   skip blend
    residual norm -> channel skip fit(conv(1x1) -> batchnorm)
  }

  stage focus3 {
    let guide = prior_fine
    from      = concat(base3, prior_fine)
    down      = none
    layout    = focused
    token     = split([features, context], identity, blend + (guide -> blend))
    first { let refresh = identity }
    last {
      drop_path = 0
      layout { then token -> channel -> drop_path }
    }
  }

  node prior = overview -> conv(1x1, out = context)

  head main = conv(1x1, bias = false) -> avgpool -> linear(classes)
  head aux  = select("class") -> linear(classes)
  logits    = (main + 0.5 * (aux -> maxpool)) / 2
}
""",
    "space": """\
import "@pyramid" (pyramid)
import "other.arch" (a, b,)

let gate = conv_glu(ratio = 2 | 4)  # one decision

space pyramid_nas over pyramid {
  let width = 32..96 step 32
  stage s1 { depth = 1..3, token = routed(topk = 1 | 2) }
  stage s3 {
    depth   = 4..12 step 2
    token   = narrow(reduction = 2)
            | cycle(routed(topk = 8 | 16), local(2))
            | gathered(window = 3x3 | 5x5, reduction = 2)
            | gpsa(head_dim = 32)
    channel = mlp(ratio = 2.0..4.0 step 0.5) | gate
  }

  require s1.depth <= s2.depth <= s3.depth
  budget flops  <= 2.3G at 224x224
  budget params <= 14M
  budget size   >= 5% by disk

  maximize zen_score
  minimize latency
}
""",
}
