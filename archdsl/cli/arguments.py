"""The arguments that verbs share, and a parser that says what was meant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from archdsl.cli.console import CallError, Console

if TYPE_CHECKING:
    from archdsl.api import Spec


class _Once(argparse._StoreAction):
    """An option that is given at most once: of two values one would be ignored."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        given = vars(namespace).setdefault("_given", set())
        if option_string and self.dest in given:
            raise CallError(f"`{_longest(self)}` is given twice", "it takes one value")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class Switch(argparse.BooleanOptionalAction):
    """`--name` and `--no-name`, of which at most one is given: True and False, else None."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        chosen = option_string == self.option_strings[0]
        if getattr(namespace, self.dest) not in (None, chosen):
            raise CallError(f"`{self.option_strings[0]}` and `{self.option_strings[1]}` exclude each other", "leave one out")
        setattr(namespace, self.dest, chosen)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `CallError`, with a did-you-mean for options."""

    def __init__(self, **settings: Any) -> None:
        # what is wrong with an option is told in words of our own
        super().__init__(**settings, add_help=False, exit_on_error=False)
        # one list, what stands without a dash first
        self._positionals = self._optionals
        self._optionals.title = "arguments"
        self.register("action", None, _Once)
        self.register("action", "store", _Once)

    def error(self, message: str) -> NoReturn:
        known = f"`{self.prog} --help` shows how it is called"
        missing = message.partition("arguments are required: ")[2]
        raise CallError(f"`{self.prog}` needs {missing.replace(', ', ' and ')}" if missing else message, known)

    def _refuse(self, error: argparse.ArgumentError) -> NoReturn:
        """Say what argparse found wrong with one option."""
        known = f"`{self.prog} --help` shows how it is called"
        if error.argument_name is None:
            self.error(error.message)
        name = error.argument_name.split("/")[-1]
        found = self._option_string_actions.get(name)
        other = error.message.partition("not allowed with argument ")[2].split("/")[-1]
        if other:
            raise CallError(f"`{name}` and `{other}` exclude each other", "leave one of them out")
        if error.message.startswith("ignored explicit argument"):
            raise CallError(f"`{name}` takes no value", known)
        if found is not None and error.message.startswith("expected"):
            value = found.metavar or "|".join(map(str, found.choices or ()))
            raise CallError(f"`{name}` needs a value", f"write `{name} {value}`")
        raise CallError(f"`{name}`: {error.message}", known)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        choices = [str(choice) for choice in action.choices or ()]
        if choices and value not in choices:
            from archdsl.source.suggest import closest

            near = closest(str(value), choices)
            said = f"`{value}` is none of {', '.join(choices)}"
            raise CallError(said, f"did you mean `{near}`?" if near else "")

    def parse(self, argv: list[str]) -> argparse.Namespace:
        """The arguments of a call."""
        try:
            arguments, unknown = self.parse_known_args(argv)
        except argparse.ArgumentError as error:
            self._refuse(error)
        if unknown:
            from archdsl.source.suggest import closest

            word = unknown[0].split("=")[0]
            if not word.startswith("-"):
                raise CallError(f"unexpected argument `{word}`", f"`{self.prog} --help` shows how it is called")
            near = closest(word, self._option_string_actions)
            help = f"did you mean `{near}`?" if near else f"`{self.prog} --help` lists them"
            if word == "--classes" and "--set" in self._option_string_actions:
                # what other verbs have as an option of its own
                help = f"write `--set classes={_value(unknown)}`"
            raise CallError(f"`{self.prog}` has no option `{word}`", help)
        return arguments


def _value(words: list[str]) -> str:
    """The number that is given to the first of some words, or what stands for one."""
    given = words[0].partition("=")[2] or (words[1] if len(words) > 1 else "")
    return given if given.isdecimal() else "N"


def _longest(action: argparse.Action) -> str:
    return max(action.option_strings, key=len)


def placed(parser: argparse.ArgumentParser) -> list[str]:
    """The arguments without a dash as a usage line has them: `SPEC ...` for several, `[SPEC]` for one or none."""
    shown = []
    for action in parser._actions:
        if action.option_strings:
            continue
        name = str(action.metavar or action.dest)
        shown.append({"+": f"{name} ...", "*": f"[{name} ...]", "?": f"[{name}]"}.get(str(action.nargs), name))
    return shown


class Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal, at most 100 cells."""

    def __init__(self, prog: str) -> None:
        width = 100
        # made for every argument that is added, so that what it imports counts
        if sys.stdout.isatty():
            import shutil

            width = min(100, shutil.get_terminal_size((100, 24)).columns)
        super().__init__(prog, max_help_position=26, width=width)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, Switch):
            return action.option_strings[0].replace("--", "--[no-]")
        return super()._format_action_invocation(action)


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options of every verb. `archdsl --help` describes them."""
    hidden = argparse.SUPPRESS
    # an alias may give it already, so the last one counts
    choices = ("auto", "always", "never")
    parser.add_argument("--color", action=argparse._StoreAction, choices=choices, default="auto", help=hidden)
    parser.add_argument("-q", "--quiet", action="store_true", help=hidden)
    parser.add_argument("-v", "--verbose", action="store_true", help=hidden)
    parser.add_argument("--debug", action="store_true", help=hidden)


def add_spec(parser: argparse.ArgumentParser) -> None:
    """One spec."""
    parser.add_argument("spec", metavar="SPEC", help="FILE, FILE:NAME, or @NAME of a packaged spec")


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Values from outside the spec."""
    parser.add_argument(
        "--set",
        metavar="NAME=EXPR",
        action="append",
        default=[],
        help="replace a value, such as `s3.depth=9` or `width=96`; several times",
    )
    parser.add_argument("--at", metavar="HxW", help="for an input of this height and width")


def add_fuse(parser: argparse.ArgumentParser) -> None:
    """The deploy form."""
    parser.add_argument("--fuse", action="store_true", help="the deploy form, in which branches are merged")


def is_fused(spec: Spec, console: Console) -> bool:
    """Whether a spec is in a deploy form of its own; where that was asked for in vain, a line says so."""
    deployed = spec.network.training_form is not None
    if spec.fuse and not deployed:
        console.say(f"`{spec.name}` has no branches to merge: `--fuse` leaves it as it is")
    return deployed


def add_classes(parser: argparse.ArgumentParser) -> None:
    """The number of classes."""
    parser.add_argument("--classes", metavar="N", help="as --set classes=N")


def all_overrides(arguments: argparse.Namespace) -> dict[str, str] | None:
    """What `--set` and `--classes` say, by name."""
    found = overrides(arguments) or {}
    if arguments.classes is not None:
        if "classes" in found:
            raise CallError("`--classes` and `--set classes` exclude each other", "leave one of them out")
        found["classes"] = str(whole(arguments.classes, "--classes", 1))
    return found or None


def overrides(arguments: argparse.Namespace) -> dict[str, str] | None:
    """What `--set` says, by name."""
    found: dict[str, str] = {}
    for entry in arguments.set:
        name, sign, value = entry.partition("=")
        if not (sign and name.strip() and value.strip()):
            raise CallError(f"`--set {entry}` has no value", "write `--set NAME=EXPR`, such as `--set s3.depth=9`")
        if name.strip() in found:
            raise CallError(f"`--set {name.strip()}` is given twice")
        found[name.strip()] = value.strip()
    return found or None


def size(arguments: argparse.Namespace) -> tuple[int, int] | None:
    """What `--at` says."""
    if arguments.at is None:
        return None
    height, sign, width = arguments.at.partition("x")
    numbers = (height, width)
    if not sign or not all(number.isascii() and number.isdecimal() and len(number) < 7 for number in numbers):
        raise CallError(f"`--at {arguments.at}` is no size", "write height and width in pixels, such as `--at 224x224`")
    return int(height), int(width)


def whole(value: str, option: str, least: int = 0) -> int:
    """The whole number that an option says."""
    if not (value.isascii() and value.isdecimal() and len(value) < 16 and int(value) >= least):
        raise CallError(
            f"`{option} {value}` is no whole number from {least}", f"write `{option} {max(least, 10)}`, for example"
        )
    return int(value)


def add_json(parser: argparse._ActionsContainer) -> None:
    """One JSON document instead of text."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")
