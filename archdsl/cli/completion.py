"""`archdsl completion`: a script that completes verbs, options and names in a shell."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from archdsl.cli.console import DONE, Console
from archdsl.source.record import dataclass

NAME = "completion"
HELP = "print a script that completes verbs, options and names in a shell"
EXAMPLES = (
    "archdsl completion bash > ~/.local/share/bash-completion/completions/archdsl",
    "archdsl completion fish > ~/.config/fish/completions/archdsl.fish",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    shells = ("bash", "zsh", "fish")
    parser.add_argument("shell", metavar="|".join(shells), choices=shells, help="the shell to write for")


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    from archdsl.cli.main import every_verb, parser_of, verb

    shells = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    verbs = [_verb(name, verb(name).HELP, parser_of(verb(name))) for name in every_verb()]
    console.out(shells[args.shell](verbs))
    return DONE


@dataclass(frozen=True, slots=True)
class _Option:
    names: tuple[str, ...]
    value: bool
    choices: tuple[str, ...]
    help: str


@dataclass(frozen=True, slots=True)
class _Verb:
    """A verb with its options, the words its arguments can be, and the commands that print more of them."""

    name: str
    help: str
    options: tuple[_Option, ...]
    words: tuple[str, ...]
    commands: tuple[str, ...]

    @property
    def outer(self) -> str:
        """The verb that this one is inside of, or nothing."""
        return self.name.rpartition(" ")[0]

    @property
    def last(self) -> str:
        """The last word of its name."""
        return self.name.rpartition(" ")[2]


_LISTS = {
    "SPEC": ("specs",),
    "TARGET": ("specs",),
    "A": ("specs",),
    "B": ("specs",),
    "STUDY": ("studies",),
    "SLUG|COMPONENT|WORD|PATH": ("errors", "components"),
}


def _verb(name: str, help: str, parser: ArgumentParser) -> _Verb:
    options: list[_Option] = []
    words: list[str] = []
    lists: list[str] = []
    for action in parser._actions:
        choices = tuple(map(str, action.choices or ()))
        if action.option_strings:
            about = "" if action.help in (None, argparse.SUPPRESS) else str(action.help)
            options.append(_Option(tuple(action.option_strings), action.nargs != 0, choices, about))
        else:
            words.extend(choices)
            # `convert` reads and writes files only
            lists.extend(() if name == "convert" else _LISTS.get(str(action.metavar), ()))
    commands = tuple(f"archdsl list {what} --plain" for what in dict.fromkeys(lists))
    return _Verb(name, help, tuple(options), tuple(words), commands)


def _bash(verbs: list[_Verb]) -> str:
    values = [
        f"    '{verb.name} {name}') words='{' '.join(option.choices)}' ;;"
        for verb in verbs
        for option in verb.options
        for name in option.names
        if option.choices
    ]
    words = [
        f"    '{verb.name}') words='{' '.join([*_flags(verb), *verb.words])}'"
        + "".join(f'; [[ $current != -* ]] && words+=" $({command} 2>/dev/null)"' for command in verb.commands)
        + " ;;"
        for verb in verbs
    ]
    return "\n".join(
        [
            "# archdsl completion bash",
            "_archdsl() {",
            "  local line=${COMP_LINE:0:COMP_POINT} current before= verb= word words= at",
            "  current=${line##* }",
            '  for word in ${line%"$current"}; do',
            "    if [[ $word != -* && $before && $before != --color ]]; then",
            "      case $verb in",
            "        '') verb=$word ;;",
            *(f'        {name}) verb+=" $word" ;;' for name in _outer(verbs)),
            "      esac",
            "    fi",
            "    before=$word",
            "  done",
            '  case "$verb $before" in',
            *values,
            "  esac",
            "  [[ $words ]] || case $verb in",
            f"    '') words='{' '.join(verb.name for verb in verbs if not verb.outer)} --help --version' ;;",
            *words,
            "  esac",
            '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
            "  # readline keeps what stands before a word break",
            "  if [[ $current == @* && $COMP_WORDBREAKS == *@* ]]; then",
            '    for at in "${!COMPREPLY[@]}"; do COMPREPLY[at]=${COMPREPLY[at]#@}; done',
            "  fi",
            "}",
            "complete -o default -F _archdsl archdsl",
        ]
    )


def _zsh(verbs: list[_Verb]) -> str:
    cases = []
    for verb in verbs:
        if verb.name in _outer(verbs):
            # the word after it says which of its verbs is meant; as yet there is none
            inside = [inner for inner in verbs if inner.outer == verb.name]
            cases.append(f"    {verb.name}) local -a inner=({_named(inside)}); _describe verb inner ;;")
            continue
        cases.append(f"    '{verb.name}')")
        inner = [f"        {'|'.join(o.names)}) compadd -- {' '.join(o.choices)}; return ;;" for o in verb.options if o.choices]
        if inner:
            cases += ["      case $words[CURRENT-1] in", *inner, "      esac"]
        cases.append(f"      compadd -- {' '.join([*_flags(verb), *verb.words])}")
        cases += [f'      compadd -- ${{(f)"$({command} 2>/dev/null)"}}' for command in verb.commands]
        cases += ["      _files", "      ;;"]
    named = _named([verb for verb in verbs if not verb.outer])
    return "\n".join(
        [
            "#compdef archdsl",
            "_archdsl() {",
            "  local -a said",
            "  local verb",
            "  said=(${words[2,CURRENT-1]:#(-*|auto|always|never)})",
            "  verb=$said[1]",
            *(f'  [[ $verb == {name} && -n $said[2] ]] && verb+=" $said[2]"' for name in _outer(verbs)),
            "  case $verb in",
            f"    '') local -a verbs=({named}); _describe verb verbs ;;",
            *cases,
            "  esac",
            "}",
            "# sourced, or found by name in $fpath",
            'if [[ $funcstack[1] == _archdsl ]]; then _archdsl "$@"; else compdef _archdsl archdsl; fi',
        ]
    )


def _named(verbs: list[_Verb]) -> str:
    return " ".join(f"'{verb.last}:{_quoted(verb.help)}'" for verb in verbs)


def _fish(verbs: list[_Verb]) -> str:
    lines = ["# archdsl completion fish"]
    within = {verb.last: verb.outer for verb in verbs if verb.outer}
    for verb in verbs:
        seen = f"__fish_seen_subcommand_from {verb.last}"
        if verb.outer:
            started = f"__fish_seen_subcommand_from {verb.outer}"
            others = " ".join(inner for inner, outer in within.items() if outer == verb.outer)
            begin = f"'{started}; and not __fish_seen_subcommand_from {others}'"
            seen = f"{started}; and {seen}"
        else:
            begin = "__fish_use_subcommand"
            # a verb of its own, and one inside another of the same name
            seen += f"; and not __fish_seen_subcommand_from {within[verb.name]}" if verb.name in within else ""
        lines.append(f"complete -c archdsl -n {begin} -f -a {verb.last} -d '{_quoted(verb.help)}'")
        if verb.name in within.values():
            continue
        lines += _fish_words(verb, f"complete -c archdsl -n '{seen}'")
    return "\n".join(lines)


def _fish_words(verb: _Verb, seen: str) -> Iterator[str]:
    """What may follow a verb; `seen` begins the line of each."""
    for option in verb.options:
        names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
        value = " -x" * bool(option.choices) + " -r" * (option.value and not option.choices)
        choices = f" -a '{' '.join(option.choices)}'" if option.choices else ""
        yield f"{seen} {names}{value}{choices}" + (f" -d '{_quoted(option.help)}'" if option.help else "")
    if verb.words:
        yield f"{seen} -f -a '{' '.join(verb.words)}'"
    for command in verb.commands:
        yield f"{seen} -a '({command} 2>/dev/null)'"


def _outer(verbs: list[_Verb]) -> list[str]:
    """The verbs that have verbs of their own."""
    return list(dict.fromkeys(verb.outer for verb in verbs if verb.outer))


def _flags(verb: _Verb) -> list[str]:
    return [name for option in verb.options for name in option.names if name.startswith("--")]


def _quoted(text: str) -> str:
    """For single quotes, and for the colons of zsh."""
    return text.replace("'", "").replace(":", ";")
