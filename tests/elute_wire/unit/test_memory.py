from __future__ import annotations

import pyarrow as pa

from elute_wire import memory


def test_arrow_takes_its_memory_where_everything_else_does() -> None:
    before = pa.default_memory_pool()
    try:
        memory.keep_few_heaps()
        assert pa.default_memory_pool().backend_name == "system"
        assert pa.array(range(1000)).sum().as_py() == 499_500
    finally:
        pa.set_memory_pool(before)
