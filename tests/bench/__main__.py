"""Measures the system: `python -m tests.bench [measure …]`, or `make bench`; figures go to build/bench/latest.json."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from tests.bench import figures, small_tables, whole_table
from tests.bench.figures import Measure

_LARGE = 2_000_000
_MEMORY = (1_000_000, 10_000_000)
_TIMES = 5

Taking = Callable[[], Awaitable[Measure]]


def main() -> None:
    """Take the measures that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("measures", nargs="*", help="which measures; all when none is named")
    parser.add_argument("--pairs", type=int, default=7, help="pairs of ours and the reference")
    parser.add_argument("--rows", type=int, default=_LARGE, help="rows of the large table; fewer for a quick look")
    parser.add_argument("--out", type=Path, default=figures.LATEST, help="where the figures go")
    options = parser.parse_args()
    known = [*whole_table.DOCUMENTS, *_others(options.rows)]
    unknown = [name for name in options.measures if name not in known]
    if unknown:
        parser.error(f"no measure {', '.join(unknown)}; there are {', '.join(known)}")
    asyncio.run(_take(options.measures or known, options))


async def _take(names: list[str], options: argparse.Namespace) -> None:
    taken: list[Measure] = []

    def took(measure: Measure) -> None:
        # Written after each: an interrupted bench has told what it knew.
        taken.append(measure)
        figures.write(taken, options.out)
        print(figures.line(measure), flush=True)  # noqa: T201 - this is what the program is for

    large = [name for name in names if name in whole_table.DOCUMENTS]
    if large:
        async with whole_table.standing(options.rows) as stand:
            for name in large:
                took(await whole_table.measured(stand, name, options.pairs))
    others = _others(options.rows)
    for name in names:
        if name in others:
            took(await others[name]())


def _others(rows: int) -> Mapping[str, Taking]:
    scale = rows / _LARGE
    return {
        "tables_1000_keep": partial(small_tables.many_tables, "keep", _TIMES // 2),
        "tables_1000_create": partial(small_tables.many_tables, "create", _TIMES // 2),
        "first_row_keep": partial(small_tables.first_row, "keep", 2 * _TIMES),
        "first_row_create": partial(small_tables.first_row, "create", 2 * _TIMES),
        **{f"memory_{size}_rows": partial(whole_table.memory, round(size * scale)) for size in _MEMORY},
    }


if __name__ == "__main__":
    main()
