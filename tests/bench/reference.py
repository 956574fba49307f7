"""What everything is compared with: `psql COPY TO STDOUT | psql COPY FROM STDIN` in text, then the primary key."""

from __future__ import annotations

import subprocess
import time

from tests.bench import people
from tests.support.postgresql import Database


def copy_by_psql(source: Database, target: Database) -> float:
    """Copy the table `people` into an empty one and give it its primary key; answers the seconds."""
    target.run(f"CREATE TABLE people ({people.COLUMNS})")
    started = time.perf_counter()
    with (
        subprocess.Popen(_psql(source, "COPY people TO STDOUT"), stdout=subprocess.PIPE) as reading,
        subprocess.Popen(_psql(target, "COPY people FROM STDIN"), stdin=reading.stdout) as writing,
    ):
        assert reading.stdout is not None
        reading.stdout.close()
    if reading.returncode or writing.returncode:
        raise RuntimeError("the reference copy failed")
    target.run(people.KEY)
    return time.perf_counter() - started


def _psql(database: Database, command: str) -> list[str]:
    program = str(database.server.programs / "psql")
    return [program, "--no-psqlrc", "--quiet", "--dbname", database.dsn, "--command", command]
