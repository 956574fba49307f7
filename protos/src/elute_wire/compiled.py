"""Loops over bytes that no column operation says, compiled to machine code by numba.

The machine code is kept beside the source, or in the folder that the environment's `NUMBA_CACHE_DIR` names, so that
only the first process after an installation spends a second on compiling. Where neither folder can be written, every
process compiles for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a function of numbers and numpy arrays at its first call; it runs without the interpreter's lock.

    Indices are not checked: a caller proves that its arrays are as long as the function says. The plain function stays
    within reach as `interpreted(function)`.
    """
    try:
        machine_code = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # There is no folder to keep machine code in.
        machine_code = numba.njit(nogil=True)(function)
    return cast("Callable[Parameters, Result]", machine_code)


def interpreted(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return what a compiled function does, as plain Python: slow, with every index checked."""
    return cast("Callable[Parameters, Result]", cast("Any", function).py_func)
