"""`elute-keys`: make, rotate and list key rings, where the ring lies. It never shows a key.

Exit codes: 0 done, 1 the ring could not be read or written, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from elute_anonymizer.application.key_ring_file import new_key_ring, read_key_ring, rotated, write_key_ring
from elute_anonymizer.domain.keys import KeyRing
from elute_wire.errors import KeyUnavailable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: What follows the program's name; those of the process when None.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    path: Path = options.file
    try:
        if options.command == "create":
            _create(path, options.name)
        elif options.command == "rotate":
            write_key_ring(path, rotated(read_key_ring(path)))
        print(_listing(read_key_ring(path)))  # noqa: T201 - the program's output
    except KeyUnavailable as error:
        print(f"elute-keys: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _create(path: Path, name: str) -> None:
    if path.exists():
        # Overwriting a ring would make everything that it scrubbed unlinkable for ever.
        raise KeyUnavailable(f"creating key ring {path}: the file exists", hint="rotate it, or choose another file")
    write_key_ring(path, new_key_ring(name))


def _listing(ring: KeyRing) -> str:
    rows = [
        f"{number:>7}  {version.created:%Y-%m-%d %H:%M}  {version.fingerprint}"
        + ("  current" if number == ring.current else "")
        for number, version in sorted(ring.versions.items())
    ]
    return "\n".join([f"key ring {ring.name}", "version  created (UTC)     fingerprint", *rows])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="elute-keys", description="Make, rotate and list key rings.")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a ring with one fresh key")
    create.add_argument("--name", default="default", help="what policies call it")
    rotate = commands.add_parser("rotate", help="add a fresh key that new runs use; old versions stay")
    show = commands.add_parser("list", help="show versions, dates and fingerprints")
    for command in (create, rotate, show):
        command.add_argument("file", type=Path, metavar="FILE", help="the ring's file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
