"""Words that are asked for and are no words of the language: options, verbs, and what goes by a name around them."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator

_DEPLOY = (
    "A network that trains with branches and runs without them has a deploy form, in which every component has merged its "
    "branches: it computes in evaluation what the other computes. `--fuse` takes it, `fuse=True` in Python, and weights of "
    "either form; `archdsl.fuse(module)` makes it of a trained module.",
    "README.md; the rules `fused` and `deploy` of `expect` in section 8 of grammars/README.md",
)
_WEIGHTS = (
    "Trained weights are read from what `torch.save` wrote (.pth, .pt) and from .safetensors, in the published layout, which "
    "a key map tells, or in archdsl's own. `build --weights FILE` loads them, `weights` writes them in the other layout, "
    "`weights=` is the same in Python.",
    "specs/KEYMAPS.md, and docs/python.md for gradient checkpointing",
)
_FEATURES = (
    'The maps inside a network, for dense tasks: `archdsl.build(spec, features=["s2", "s3"])` returns them in place of logits, '
    "and `feature_info` of a module tells their channels and reductions.",
    "docs/python.md, Maps for dense tasks",
)
_COUNTS = (
    "`check`, `show` and `count` tell parameters and FLOPs in closed form, `count` and `verify` also as fvcore measures them: "
    "for one image, a multiplication with its addition is one operation.",
    "section 8 of grammars/README.md, and docs/adr/0004-flop-convention.md",
)
_GOLDEN = (
    "Stored logits of a published network, and how its weights were drawn: `verify` compares the logits of the spec with them.",
    "`archdsl verify --help`",
)
_KEYMAP = (
    "A file NAME.keys.yaml beside a spec: it tells by which names and in which shapes a published checkpoint has the tensors.",
    "specs/KEYMAPS.md",
)
_BLOCK = ("A stage is `depth` blocks; the layout says what a block does, line by line.", "section 5 of grammars/README.md")
_STUDY = (
    "A study is a folder with a space, its settings, and the trials of a search. A trial is one spec, drawn from those that "
    "fit the budgets, and evaluated. Of several objectives the front is what no other trial is better than; winners are the "
    "best trials as spec files.",
    "docs/search.md",
)
# what there is to say beyond the options, and where more stands
_TOPICS = {
    **dict.fromkeys(("deploy", "fuse", "fused"), _DEPLOY),
    **dict.fromkeys(("weights", "checkpoint", "layouts"), _WEIGHTS),
    **dict.fromkeys(("features", "feature"), _FEATURES),
    **dict.fromkeys(("flops", "params", "parameters", "count", "fvcore"), _COUNTS),
    **dict.fromkeys(("golden", "goldens", "logits"), _GOLDEN),
    **dict.fromkeys(("keymap", "keys"), _KEYMAP),
    **dict.fromkeys(("block", "blocks"), _BLOCK),
    **dict.fromkeys(("study", "trial", "front", "winner"), _STUDY),
}


def topics() -> list[str]:
    """The words that this module knows, sorted."""
    from archdsl.cli.main import VERBS

    return sorted({*_TOPICS, *VERBS, *_options()})


def topic_about(word: str, width: int) -> str:
    """What is to be said of a word around the language; nothing where it is none."""
    from archdsl.cli.main import VERBS, verb

    text, page = _TOPICS.get(word, ("", ""))
    told = [text] if text else []
    if word in VERBS:
        told.append(f"`archdsl {word}`: {verb(word).HELP}. `archdsl {word} --help` tells more.")
    for help, verbs in _options().get(word, {}).items():
        told.append(f"`--{word}` of {_listed(verbs)}: {help}.")
    if page:
        told.append(f"More in {page}.")
    if not told:
        return ""
    lines = [textwrap.fill(line, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False) for line in told]
    return "\n\n".join([f"{word} (a word around the language)", *lines])


def _options() -> dict[str, dict[str, list[str]]]:
    """The options by name: what each means, and of which verbs."""
    from archdsl.cli.main import every_verb

    found: dict[str, dict[str, list[str]]] = {}
    for name in every_verb():
        for option, help in _options_of(name):
            found.setdefault(option, {}).setdefault(help, []).append(f"`{name}`")
    return found


def _options_of(name: str) -> Iterator[tuple[str, str]]:
    from archdsl.cli.main import parser_of, verb

    for action in parser_of(verb(name))._actions:
        if action.help and action.help != argparse.SUPPRESS and action.dest != "help":
            yield from ((option[2:], action.help) for option in action.option_strings if option.startswith("--"))


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
