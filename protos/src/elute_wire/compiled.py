"""Loops over bytes that no column operation says, compiled to machine code by numba.

The machine code is kept beside the source, or in the folder that the environment's `NUMBA_CACHE_DIR` names, so that
only the first process after an installation spends a second on compiling. Where neither folder can be written, every
process compiles for itself.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Bytes: TypeAlias = npt.NDArray[np.uint8]


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


def let_compiler_go() -> None:
    """Give back the memory that the compiler's own code takes; to be called when all is compiled.

    LLVM is 100 MiB of code that has nothing to do until something else is to be compiled. Its pages are read again from
    their file where they are needed all the same. Only on Linux; elsewhere nothing happens.

    Source:
        madvise(2), MADV_DONTNEED: of a private mapping that nobody wrote to, only the pages are lost.
    """
    if sys.platform != "linux":
        return
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for line in Path("/proc/self/maps").read_text("utf-8").splitlines():
        # Code alone: what a program may write to would come back as it was in the file.
        addresses, permissions, *_, file = line.split(maxsplit=5)
        if permissions == "r-xp" and "llvmlite" in file:
            start, end = (int(address, 16) for address in addresses.split("-"))
            madvise(start, end - start, mmap.MADV_DONTNEED)


SLACK_BYTES = 8
"""How much longer than what is copied the arrays of `copy_words` are."""


@compiled
def copy_words(source: Bytes, start: np.uint64, target: Bytes, end: np.uint64, count: np.uint64) -> None:
    """Copy `count` bytes from `source[start:]` to `target[end:]`, eight at a time; for use in compiled functions.

    Up to seven more bytes are read and written, and both arrays are that much longer. Unsigned indices spare the test
    for negative ones, and the compiler makes one move of each word: seven times as fast as a loop over bytes.
    """
    done = np.uint64(0)
    while done < count:
        here, there = start + done, end + done
        word = np.uint64(0)
        for byte in range(8):
            word |= np.uint64(source[here + np.uint64(byte)]) << np.uint64(8 * byte)
        for byte in range(8):
            target[there + np.uint64(byte)] = np.uint8(word >> np.uint64(8 * byte) & np.uint64(255))
        done += np.uint64(8)
