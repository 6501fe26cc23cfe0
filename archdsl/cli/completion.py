"""`archdsl completion`: a script that completes verbs, options and names in a shell."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace

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
    from archdsl.cli.main import VERBS, parser_of, verb

    shells = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    verbs = [_verb(name, verb(name).HELP, parser_of(verb(name))) for name in VERBS]
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


_LISTS = {
    "SPEC": ("specs",),
    "A": ("specs",),
    "B": ("specs",),
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
        f"    {verb.name}) words='{' '.join([*_flags(verb), *verb.words])}'"
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
            "    [[ -z $verb && $word != -* && $before && $before != --color ]] && verb=$word",
            "    before=$word",
            "  done",
            '  case "$verb $before" in',
            *values,
            "  esac",
            "  [[ $words ]] || case $verb in",
            f"    '') words='{' '.join(verb.name for verb in verbs)} --help --version' ;;",
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
        cases.append(f"    {verb.name})")
        inner = [f"        {'|'.join(o.names)}) compadd -- {' '.join(o.choices)}; return ;;" for o in verb.options if o.choices]
        if inner:
            cases += ["      case $words[CURRENT-1] in", *inner, "      esac"]
        cases.append(f"      compadd -- {' '.join([*_flags(verb), *verb.words])}")
        cases += [f'      compadd -- ${{(f)"$({command} 2>/dev/null)"}}' for command in verb.commands]
        cases += ["      _files", "      ;;"]
    named = " ".join(f"'{verb.name}:{_quoted(verb.help)}'" for verb in verbs)
    return "\n".join(
        [
            "#compdef archdsl",
            "_archdsl() {",
            "  local -a said",
            "  said=(${words[2,CURRENT-1]:#(-*|auto|always|never)})",
            "  case $said[1] in",
            f"    '') local -a verbs=({named}); _describe verb verbs ;;",
            *cases,
            "  esac",
            "}",
            "# sourced, or found by name in $fpath",
            'if [[ $funcstack[1] == _archdsl ]]; then _archdsl "$@"; else compdef _archdsl archdsl; fi',
        ]
    )


def _fish(verbs: list[_Verb]) -> str:
    lines = ["# archdsl completion fish"]
    for verb in verbs:
        lines.append(f"complete -c archdsl -n __fish_use_subcommand -f -a {verb.name} -d '{_quoted(verb.help)}'")
        seen = f"complete -c archdsl -n '__fish_seen_subcommand_from {verb.name}'"
        for option in verb.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            value = " -x" * bool(option.choices) + " -r" * (option.value and not option.choices)
            choices = f" -a '{' '.join(option.choices)}'" if option.choices else ""
            lines.append(f"{seen} {names}{value}{choices}" + (f" -d '{_quoted(option.help)}'" if option.help else ""))
        if verb.words:
            lines.append(f"{seen} -f -a '{' '.join(verb.words)}'")
        lines += [f"{seen} -a '({command} 2>/dev/null)'" for command in verb.commands]
    return "\n".join(lines)


def _flags(verb: _Verb) -> list[str]:
    return [name for option in verb.options for name in option.names if name.startswith("--")]


def _quoted(text: str) -> str:
    """For single quotes, and for the colons of zsh."""
    return text.replace("'", "").replace(":", ";")
