import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from elute_wire import registry
from elute_wire.registry import RegistryError

DEFINITION = "from elute_wire_test_registry import Definition\nDEFINITION = Definition({name!r})\n"


@dataclass(frozen=True)
class Definition:
    name: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "elute_wire_test_registry", sys.modules[__name__])
    package = tmp_path / "elute_wire_test_parts"
    package.mkdir()
    (package / "__init__.py").touch()
    yield package
    for name in [name for name in sys.modules if name.startswith("elute_wire_test_parts")]:
        del sys.modules[name]


def write(folder: Path, module: str, name: str) -> None:
    (folder / module).write_text(DEFINITION.format(name=name))


def test_modules_and_packages_are_found_in_the_order_of_their_names(folder: Path) -> None:
    write(folder, "second.py", "second")
    (folder / "first").mkdir()
    write(folder, "first/__init__.py", "first")
    found = registry.load("elute_wire_test_parts", Definition)
    assert list(found.items()) == [("first", Definition("first")), ("second", Definition("second"))]


def test_a_module_without_definition_is_refused(folder: Path) -> None:
    (folder / "empty.py").touch()
    with pytest.raises(RegistryError, match="empty has no DEFINITION"):
        registry.load("elute_wire_test_parts", Definition)


def test_a_definition_of_another_type_is_refused(folder: Path) -> None:
    (folder / "odd.py").write_text("DEFINITION = 'odd'\n")
    with pytest.raises(RegistryError, match="of type Definition"):
        registry.load("elute_wire_test_parts", Definition)


def test_a_second_definition_of_a_name_is_refused(folder: Path) -> None:
    write(folder, "one.py", "one")
    write(folder, "two.py", "one")
    with pytest.raises(RegistryError, match="a second time"):
        registry.load("elute_wire_test_parts", Definition)


def test_a_definition_under_a_foreign_name_is_refused(folder: Path) -> None:
    write(folder, "one.py", "two")
    with pytest.raises(RegistryError, match="not its own"):
        registry.load("elute_wire_test_parts", Definition)
