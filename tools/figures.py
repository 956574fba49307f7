"""Write the README's figures from what `make bench` and `make chaos` found last: `python -m tools.figures`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tools.repository import ROOT

_BENCH, _CHAOS = ROOT / "build/bench/latest.json", ROOT / "build/chaos/latest.json"
_README = ROOT / "README.md"
_BLOCK = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- end -->)", re.DOTALL)

_SPEED = {
    "keep_all": "2,000,000 rows, 550 MB, 12 columns, everything kept",
    "scrub_5_columns": "the same, five columns scrubbed (names, e-mail, phone, address)",
    "scrub_5_columns_clean_2": "the same, two more columns cleaned",
}
_TIMES = {
    "tables_1000_keep": "1,000 tables of 10 rows, `structure: keep`",
    "tables_1000_create": "the same, `structure: create`",
    "first_row_keep": "from the request to the first row, small table, `keep`",
    "first_row_create": "the same, `create`",
}
_MEMORY = {"memory_1000000_rows": "1,000,000 rows", "memory_10000000_rows": "10,000,000 rows"}


def main() -> int:
    """Write the block; fail where a measure is missing."""
    bench = json.loads(_BENCH.read_text("utf-8"))
    measures = {measure["name"]: measure for measure in bench["measures"]}
    missing = [name for name in (*_SPEED, *_TIMES, *_MEMORY) if name not in measures]
    if missing:
        print(f"figures: {_BENCH.relative_to(ROOT)} lacks {', '.join(missing)}; run `make bench` whole")
        return 1
    chaos = json.loads(_CHAOS.read_text("utf-8"))
    block = "\n".join(_written(bench["circumstances"], measures, chaos)) + "\n"
    text = _README.read_text("utf-8")
    _README.write_text(_BLOCK.sub(lambda _: block, text, count=1), "utf-8")
    return 0


def _written(
    circumstances: Mapping[str, Any], measures: Mapping[str, Mapping[str, Any]], chaos: Mapping[str, Any]
) -> Iterator[str]:
    day, cores = circumstances["taken_at"][:10], circumstances["processors"]
    yield f"Taken on {day}: {cores} cores, {circumstances['machine']}, Python {circumstances['python']}, PostgreSQL 18."
    yield ""
    yield "| `elute run`, from the request to success, to `psql \\| psql` and the same primary key | ratio | seconds |"
    yield "|---|---|---|"
    for name, title in _SPEED.items():
        measure = measures[name]
        low, high = measure["ratio_quartiles"]
        seconds = f"{measure['seconds']:.1f} to {measure['reference_seconds']:.1f}"
        yield f"| {title} | **{measure['ratio']:.2f}** ({low:.2f} to {high:.2f}) | {seconds} |"
    yield ""
    yield "| | seconds |"
    yield "|---|---|"
    for name, title in _TIMES.items():
        yield f"| {title} | {measures[name]['seconds']:.2f} |"
    yield ""
    services = sorted(measures[next(iter(_MEMORY))]["peak_rss_bytes"])
    yield f"| peak memory, MiB | {' | '.join(services)} |"
    yield f"|---|{'---|' * len(services)}"
    for name, title in _MEMORY.items():
        peaks = measures[name]["peak_rss_bytes"]
        yield f"| {title} | {' | '.join(f'{peaks[service] / 2**20:.0f}' for service in services)} |"
    yield ""
    found = f"{chaos['lost']} rows lost, {chaos['duplicated']} doubled, {chaos['unexpected']} unexpected"
    yield f"`KILLS={chaos['kills']} make chaos`: {found}."
    in_load = chaos["kills_in_open_load"] / chaos["kills"]
    stall = chaos["max_stall_seconds"]
    yield f"Of the kills {in_load:.0%} hit an open load; at most {stall:.1f} s until the run went on."


if __name__ == "__main__":
    sys.exit(main())
