"""Whose fault it is when a module fails: that of a component, told as its diagnostic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from weakref import WeakKeyDictionary

from torch import nn

from archdsl.lowering.level import Level
from archdsl.schema import registry
from archdsl.source.diagnostic import Diagnostic, Note, SpecError

Shapes = Mapping[str, tuple[int, ...]]

# by class and not by module: what is counted or exported may be a copy
_COMPONENTS: WeakKeyDictionary[type[nn.Module], str] = WeakKeyDictionary()
_QUOTED = 400
_SHOWN = 10


def remember(module: nn.Module, component: str) -> None:
    """That modules of this class are those of a component."""
    _COMPONENTS[type(module)] = component


def components(root: nn.Module) -> Iterator[tuple[str, str, nn.Module]]:
    """The components of a module with their places in the state_dict and their names, as they are called."""
    for path, level in root.named_modules():
        if isinstance(level, Level):
            for name, child in level.named_children():
                if type(child) in _COMPONENTS and not isinstance(child, Level):
                    yield f"{path}.{name}" if path else name, _COMPONENTS[type(child)], child


def broken(component: str, key: str, reason: str, notes: tuple[Note, ...] = ()) -> SpecError:
    """The error of a component that does not do what it promises, at a place of the state_dict."""
    owner = registry.distribution(component)
    message = f"the component `{component}` of the package `{owner}` fails at `{key}`: {reason}"
    help = f"the spec is not to blame: repair `{owner}`; `--debug` shows where it fails"
    return SpecError([Diagnostic("broken-plugin", message, notes=notes, help=help)])


def quoted(error: BaseException) -> str:
    """An error in its own words, on one line."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def differences(promised: Shapes, found: Shapes) -> tuple[Note, ...]:
    """Where two accounts of the weights differ."""
    missing = [f"{name} {_shape(shape)}" for name, shape in promised.items() if name not in found]
    extra = [f"{name} {_shape(shape)}" for name, shape in found.items() if name not in promised]
    shared = [name for name, shape in promised.items() if name in found and found[name] != shape]
    other = [f"{name} is {_shape(found[name])}, not {_shape(promised[name])}" for name in shared]
    groups = (("promised, and not there", missing), ("there, and not promised", extra), ("of another shape", other))
    return tuple(Note(f"{what}: {_listed(names)}") for what, names in groups if names)


@contextmanager
def blamed() -> Iterator[None]:
    """What fails inside a component while a module runs is told as the fault of that component; the rest stays as it is."""
    try:
        yield
    except (SpecError, MemoryError, OSError):
        raise
    except Exception as error:
        place = _place(error)
        if place is None:
            raise
        raise broken(*place, quoted(error)) from error


def _place(error: BaseException) -> tuple[str, str] | None:
    """The component that was running when an error was raised, and its name in the state_dict."""
    # the module of a network is made of what this module is made for
    from archdsl.lowering.module import Backbone

    running: list[nn.Module] = []
    trace = error.__traceback__
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if isinstance(owner, nn.Module) and not (running and running[-1] is owner):
            running.append(owner)
        trace = trace.tb_next
    for above, module in pairwise(running):
        if isinstance(above, Level) and not isinstance(module, Level) and type(module) in _COMPONENTS:
            root = next((whole for whole in running if isinstance(whole, Backbone)), above)
            names = {id(child): name for name, child in root.named_modules()}
            return _COMPONENTS[type(module)], names[id(module)]
    return None


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"


def _listed(names: list[str]) -> str:
    more = f" ... {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
