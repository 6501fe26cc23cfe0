"""Arguments of the Python API: the sensible ones are taken, each other one is refused by name."""

from __future__ import annotations

import pydoc
from typing import Any

import numpy
import pytest

import archdsl

TINY = """
arch tiny {
  input = 3x32x32
  classes = 10
  layout { residual layernorm -> channel }
  stem = conv(4x4, out = 16, stride = 4)
  stage s1 { dim = 16, depth = 1, channel = mlp }
  head = mean -> linear(classes)
}
space around over tiny { stage s1 { depth = 1..2 } }
"""


def tiny(**given: Any) -> archdsl.Spec:
    return archdsl.loads(TINY, name="tiny", **given)


@pytest.mark.parametrize("at", [(64, 48), [64, 48], "64x48", (numpy.int64(64), 48)])
def test_sizes(at: Any) -> None:
    assert tiny(at=at).network.image.shape == (3, 64, 48)
    assert archdsl.build(tiny(), at=at).image.shape == (3, 64, 48)
    assert tiny().overridden(at=at).network.image.shape == (3, 64, 48)


def test_one_number_is_a_square() -> None:
    assert tiny(at=64).network.image.shape == (3, 64, 64)


@pytest.mark.parametrize("image", [(1, 64, 48), "1x64x48", [1, 64, 48]])
def test_images(image: Any) -> None:
    assert archdsl.build(tiny(), input=image).image.shape == (1, 64, 48)


@pytest.mark.parametrize("at", ["64", "64x", "axb", (64,), (1, 64, 48), "", b"64x64", 64.0, (64.0, 64), (True, True), {}])
def test_what_is_no_size(at: Any) -> None:
    for call in (lambda: tiny(at=at), lambda: archdsl.check("@biformer_t", at=at), lambda: archdsl.build(tiny(), at=at)):
        with pytest.raises((TypeError, ValueError), match="`at` takes height and width in pixels, such as"):
            call()


@pytest.mark.parametrize("image", [64, "64x64", (64, 64), 3.5, "abc"])
def test_what_is_no_image(image: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="`input` takes channels, height and width, such as"):
        archdsl.build(tiny(), input=image)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"seed": "a"}, "`seed` takes a whole number, not 'a'"),
        ({"seed": None}, "`seed` takes a whole number, not None"),
        ({"classes": "10"}, "`classes` takes a whole number, not '10'"),
        ({"classes": True}, "`classes` takes a whole number, not True"),
        ({"set": ["s1.depth=2"]}, "`set` takes overrides by path, such as "),
        ({"weights": 5}, "`weights` takes a path, a state dict or a module, not int"),
    ],
)
def test_what_build_refuses(given: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        archdsl.build(tiny(), **given)


def test_a_size_twice() -> None:
    with pytest.raises(ValueError, match="`input` has height and width already"):
        archdsl.build(tiny(), input=(3, 64, 64), at=64)


@pytest.mark.parametrize("spec", [5, None, b"a.arch"])
def test_what_is_no_path(spec: Any) -> None:
    for call in (archdsl.load, archdsl.build, archdsl.count):
        with pytest.raises(TypeError, match="`spec` takes a path, not "):
            call(spec)
    with pytest.raises(TypeError, match="`folder` takes a path, not "):
        archdsl.load_build(spec)


def test_a_module_as_weights() -> None:
    one = archdsl.build(tiny(), seed=1)
    two = archdsl.build(tiny(), weights=one, seed=2)
    assert all((one.state_dict()[name] == tensor).all() for name, tensor in two.state_dict().items())


def test_a_space_is_not_built() -> None:
    space = archdsl.loads(TINY, name="around")
    with pytest.raises(ValueError, match=r"`around` is a space; build one of its points: `build\(space\.arch\("):
        archdsl.build(space)
    assert archdsl.build(space.arch(space.draw(0))).num_classes == 10


def test_another_classifier() -> None:
    module = archdsl.build(tiny())
    for bad in ("10", 2.0, True):
        with pytest.raises(TypeError, match="`classes` takes a whole number, not"):
            module.reset_classifier(bad)
    with pytest.raises(TypeError, match="`seed` takes a whole number, not 'a'"):
        module.reset_classifier(3, seed="a")


def test_what_is_printed() -> None:
    (wrong, *_) = archdsl.check("@biformer_t", at="240x240")
    assert str(wrong).startswith(
        "error[shape-mismatch]: `routing` needs a map divisible by its 7x7 regions\n  --> @biformer_t:"
    )
    assert "1 error in" not in str(wrong)
    counted = archdsl.count(tiny())
    assert repr(counted) == (
        f"Count(params={counted.params:_}, flops={counted.flops:_}, flops_fvcore={counted.flops_fvcore:_}, "
        f"flops_unseen={counted.flops_unseen:_})"
    )


def test_help_tells_of_no_insides() -> None:
    told = pydoc.plain(pydoc.render_doc(archdsl))
    for inside in ("_refuse", "_entries", "_get_state", " = equal", " = digest", "__record__"):
        assert inside not in told
