"""Runs compiled loops as the Python that they are written in: slow, with every index checked, and seen by coverage."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from elute_wire.compiled import interpreted


@contextmanager
def interpreted_loops(package: str) -> Iterator[None]:
    """Interpret what the loaded modules of a package compile, within the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] == package:
                for attribute, value in list(vars(module).items()):
                    if hasattr(value, "py_func"):
                        patch.setattr(module, attribute, interpreted(value))
        yield
