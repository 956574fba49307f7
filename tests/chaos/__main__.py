"""Kills the system while it works: `KILLS=n make chaos`; what was found goes to build/chaos/latest.json."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.scenario import Chaos, Settings, chaos

LATEST = Path("build/chaos/latest.json")


def main() -> int:
    """Inject the faults, write what was found, and answer 0 if nothing was lost, doubled or made up."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("KILLS", "20")), help="faults to inject")
    parser.add_argument("--rows", type=int, default=300_000, help="rows of each of the two large tables")
    parser.add_argument("--stop-seconds", type=float, default=30.0, help="how long a stopped process stays so")
    parser.add_argument(
        "--seed", type=int, default=int(os.environ.get("SEED", "1")), help="what moments are drawn from"
    )
    parser.add_argument("--out", type=Path, default=LATEST, help="where the findings go")
    options = parser.parse_args()
    settings = Settings(options.kills, options.rows, options.stop_seconds, options.seed)
    found = asyncio.run(_found(settings, options.out))
    print(json.dumps(found, indent=2))  # noqa: T201 - this is what the program is for
    return 1 if found["lost"] or found["duplicated"] or found["unexpected"] else 0


async def _found(settings: Settings, path: Path) -> dict[str, Any]:
    async with chaos(settings) as world:
        while len(world.injected) < settings.kills:
            await world.run_once()
            # Written after each run: an interrupted session has told what it knew.
            _write(_summed_up(world), path)
            print(f"run {world.runs}: {len(world.injected)} faults", file=sys.stderr, flush=True)  # noqa: T201
        return _summed_up(world)


def _write(found: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _summed_up(world: Chaos) -> dict[str, Any]:
    findings = world.findings
    return {
        "kills": len(world.injected),
        "kills_in_open_load": sum(fault.in_open_load for fault in world.injected),
        "lost": findings.lost,
        "duplicated": findings.duplicated,
        "unexpected": findings.unexpected,
        "max_stall_seconds": round(max(world.stalls, default=0.0), 3),
        "runs": world.runs,
        "rows_compared": findings.rows,
        "source_transactions": len(world.journal.transactions),
        "faults": dict(sorted(Counter(fault.name for fault in world.injected).items())),
        "stories": findings.stories,
        "settings": asdict(world.settings),
    }


if __name__ == "__main__":
    sys.exit(main())
