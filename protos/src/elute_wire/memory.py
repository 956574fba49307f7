"""How a data-plane process keeps its memory: in few heaps, so that what one thread frees the next one uses."""

from __future__ import annotations

import ctypes
import sys

import pyarrow as pa

_M_ARENA_MAX = -8
_ARENAS = 2


def keep_few_heaps() -> None:
    """Let Arrow and everything else share glibc's heaps, two of them; to be called before the first thread starts.

    Batches are made in one thread and freed in another. With a heap per thread, and one of Arrow's own beside them,
    each keeps its own reserve: a quarter more resident memory for nothing (docs/explanation/performance.md).

    Source:
        mallopt(3), M_ARENA_MAX.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    # Other C libraries than glibc have no such setting.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(_M_ARENA_MAX, _ARENAS)
