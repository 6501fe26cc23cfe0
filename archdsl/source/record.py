"""Classes that hold values, as `dataclasses` makes them, declared at a fifth of the cost.

The standard decorator compiles six methods for each class, and its module imports `inspect`: together a third of the time
that `archdsl check` takes from a cold start. Here only `__init__` is compiled; the other methods are shared.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:
    # unannotated: type checkers read the standard declarations above in place of all this
    _NONE: Final = object()
    _MAKE: Final = object()

    class _Field:
        """What a class body says of one attribute."""

        __slots__ = ("compare", "default", "default_factory", "hash", "metadata", "name", "repr", "type")

        def __init__(self, default, default_factory, compare, hash, repr, metadata):
            self.default, self.default_factory = default, default_factory
            self.compare, self.hash, self.repr = compare, compare if hash is None else hash, repr
            self.metadata = metadata or {}
            self.name = self.type = ""

    def field(*, default=_NONE, default_factory=_NONE, compare=True, hash=None, repr=True, metadata=None):
        """As `dataclasses.field`."""
        # a class that the standard decorator makes, such as that of a plug-in, knows the standard fields only
        if metadata is not None and (standard := sys.modules.get("dataclasses")):
            return standard.field(metadata=metadata)
        return _Field(default, default_factory, compare, hash, repr, metadata)

    class _Fields:
        """`__dataclass_fields__`, made when somebody asks, so that `dataclasses.replace` and its like work here too."""

        def __get__(self, instance, owner):
            import dataclasses

            body = {"__annotations__": {entry.name: entry.type for entry in owner._entries}, "__module__": owner.__module__}
            for entry in owner._entries:
                given = {} if entry.default is _NONE else {"default": entry.default}
                given |= {} if entry.default_factory is _NONE else {"default_factory": entry.default_factory}
                rest = {"compare": entry.compare, "hash": entry.hash, "repr": entry.repr, "metadata": entry.metadata}
                body[entry.name] = dataclasses.field(**given, **rest)
            made = dataclasses.dataclass(eq=False, repr=False)(type(owner.__name__, (), body)).__dataclass_fields__
            owner.__dataclass_fields__ = made
            return made

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):
        """As `dataclasses.dataclass`."""
        if cls is None:
            return lambda cls: _record(cls, frozen, slots, eq)
        return _record(cls, frozen, slots, eq)

    def _record(cls, frozen, slots, eq):
        own = list(_own_fields(cls))
        names = [entry.name for entry in own]
        if slots:
            body = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__", *names)}
            cls = type(cls)(cls.__name__, cls.__bases__, {**body, "__slots__": tuple(names), "__qualname__": cls.__qualname__})
        else:
            for entry in own:
                if entry.default is _NONE and entry.name in vars(cls):
                    delattr(cls, entry.name)
                elif entry.default is not _NONE:
                    setattr(cls, entry.name, entry.default)
        inherited = [entry for base in cls.__mro__[:0:-1] for entry in vars(base).get("_entries", ())]
        cls._entries = tuple({entry.name: entry for entry in (*inherited, *own)}.values())
        cls.__dataclass_fields__ = _Fields()
        cls.__match_args__ = tuple(entry.name for entry in cls._entries)
        cls.__init__ = _initializer(cls, frozen)
        if "__repr__" not in vars(cls):
            cls.__repr__ = _repr
        if eq:
            _compare(cls, frozen)
        if frozen:
            cls.__setattr__, cls.__delattr__ = _refuse_set, _refuse_delete
            if slots:
                cls.__getstate__, cls.__setstate__ = _get_state, _set_state
        return cls

    def _own_fields(cls):
        for name, kind in vars(cls).get("__annotations__", {}).items():
            if str(kind).startswith(("ClassVar", "typing.ClassVar")):
                continue
            given = vars(cls).get(name, _NONE)
            if type(given).__module__ == "dataclasses":
                given = _of_standard(given)
            elif not isinstance(given, _Field):
                given = _Field(given, _NONE, True, None, True, None)
            given.name, given.type = name, kind
            yield given

    def _of_standard(given):
        missing = sys.modules["dataclasses"].MISSING
        default = _NONE if given.default is missing else given.default
        factory = _NONE if given.default_factory is missing else given.default_factory
        return _Field(default, factory, given.compare, given.hash, given.repr, dict(given.metadata))

    def _initializer(cls, frozen):
        known, parameters, lines = {"_make": _MAKE}, ["self"], []
        for entry in cls._entries:
            name = entry.name
            if entry.default is not _NONE:
                known[f"_default_{name}"] = entry.default
                parameters.append(f"{name}=_default_{name}")
            elif entry.default_factory is not _NONE:
                known[f"_default_{name}"] = entry.default_factory
                parameters.append(f"{name}=_make")
                lines.append(f" if {name} is _make: {name} = _default_{name}()")
            else:
                parameters.append(name)
            if not frozen:
                lines.append(f" self.{name} = {name}")
            elif hasattr(slot := getattr(cls, name, None), "__set__"):
                known[f"_set_{name}"] = slot.__set__
                lines.append(f" _set_{name}(self, {name})")
            else:
                lines.append(f" self.__dict__[{name!r}] = {name}")
        text = f"def __init__({', '.join(parameters)}):\n" + ("\n".join(lines) or " pass")
        exec(text, known)
        made = known["__init__"]
        made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
        made.__annotations__ = {entry.name: entry.type for entry in cls._entries} | {"return": "None"}
        return made

    def _compare(cls, frozen):
        compared = _values([entry.name for entry in cls._entries if entry.compare])
        hashed = _values([entry.name for entry in cls._entries if entry.hash])

        def equal(self, other):
            return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

        def digest(self):
            return hash(hashed(self))

        equal.__name__, digest.__name__ = "__eq__", "__hash__"
        if "__eq__" not in vars(cls):
            cls.__eq__ = equal
        if frozen and not vars(cls).get("__hash__"):
            cls.__hash__ = digest
        elif not frozen:
            cls.__hash__ = None

    def _values(names):
        if len(names) > 1:
            return attrgetter(*names)
        return (lambda self: (getattr(self, names[0]),)) if names else (lambda self: ())

    def _repr(self):
        told = ", ".join(f"{entry.name}={getattr(self, entry.name)!r}" for entry in self._entries if entry.repr)
        return f"{type(self).__qualname__}({told})"

    def _refuse_set(self, name, value):
        raise AttributeError(f"cannot assign to field {name!r}")

    def _refuse_delete(self, name):
        raise AttributeError(f"cannot delete field {name!r}")

    def _get_state(self):
        return [getattr(self, entry.name) for entry in self._entries]

    def _set_state(self, state):
        for entry, value in zip(self._entries, state, strict=True):
            object.__setattr__(self, entry.name, value)

    # `help` tells a method by the name of its function
    for _method, _name in (
        *((_repr, "__repr__"), (_refuse_set, "__setattr__"), (_refuse_delete, "__delattr__")),
        *((_get_state, "__getstate__"), (_set_state, "__setstate__")),
    ):
        _method.__name__ = _name

    def replace(value, /, **changes):
        """As `dataclasses.replace`."""
        entries = getattr(value, "_entries", None)
        if entries is None:
            import dataclasses

            return dataclasses.replace(value, **changes)
        for entry in entries:
            if entry.name not in changes:
                changes[entry.name] = getattr(value, entry.name)
        return type(value)(**changes)


def names(value: object) -> tuple[str, ...]:
    """The fields of an object or class made here or by `dataclasses`, in the order written."""
    return tuple(name for name, _, _ in declared(value))


def declared(value: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Name, type as written and metadata of each field of such an object or class."""
    entries = value._entries if hasattr(value, "_entries") else value.__dataclass_fields__.values()
    for entry in entries:
        yield entry.name, str(entry.type), entry.metadata
