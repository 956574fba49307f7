"""Find components by walking their folder: a new component is one module, and no list names it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar


class Named(Protocol):
    """A definition: a plain value that knows the component's name."""

    @property
    def name(self) -> str:
        """The component's name, the same as its module's."""


T = TypeVar("T", bound=Named)


class RegistryError(Exception):
    """A component's module breaks the convention: a defect of the build, so the service does not start."""


def load(package: str, definition_type: type[T]) -> Mapping[str, T]:
    """Import every module directly below `package` and collect its `DEFINITION`.

    A component of several files is a package of its own and shows its definition in its `__init__`.

    Args:
        package: The dotted name of the folder, for example `elute_anonymizer.techniques`.
        definition_type: What every `DEFINITION` must be an instance of.

    Returns:
        The definitions by name, in the order of their names.

    Raises:
        RegistryError: A module has no definition, one of another type, one with another name than the
            module's, or a name that another module has.
    """
    definitions: dict[str, T] = {}
    modules = sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__))
    for name in modules:
        definition = getattr(importlib.import_module(f"{package}.{name}"), "DEFINITION", None)
        if not isinstance(definition, definition_type):
            raise RegistryError(f"{package}.{name} has no DEFINITION of type {definition_type.__name__}")
        if definition.name in definitions:
            raise RegistryError(f"{package}.{name} defines {definition.name!r} a second time")
        if definition.name != name:
            raise RegistryError(f"{package}.{name} defines {definition.name!r}, a name that is not its own")
        definitions[name] = definition
    return MappingProxyType(definitions)
