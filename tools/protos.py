"""Generate the Python stubs of the wire contract, or check that the committed ones are what would be generated."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.repository import ROOT, Finding, report

PROTOS = ROOT / "protos"
STUBS = Path("protos/src/elute/v1")
_PACKAGE = '"""Version 1 of the wire contract: generated from protos/elute/v1 by `make protos`."""\n'


def generate(output: Path) -> None:
    """Write messages, services and their type stubs of every proto file into `output` as the package `elute.v1`.

    Raises:
        SystemExit: protoc refused a file; its words are on standard error.
    """
    output.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "elute" / "v1").glob("*.proto"))
    plugins = [f"--plugin={path}" for path in Path(sys.executable).parent.glob("protoc-gen-mypy*")]
    outputs = [f"--{kind}_out={output}" for kind in ("python", "grpc_python")]
    typed = [f"--{kind}_out=quiet:{output}" for kind in ("mypy", "mypy_grpc")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *plugins, *outputs, *typed, *sources]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit("generating stubs: protoc failed")
    (output / "elute" / "v1" / "__init__.py").write_text(_PACKAGE, encoding="utf-8")


def stale() -> Iterator[Finding]:
    """Find committed stubs that differ from freshly generated ones, and those that either side lacks."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = _contents(Path(folder) / "elute" / "v1")
    committed = _contents(ROOT / STUBS)
    for name in sorted(fresh.keys() | committed.keys()):
        if fresh.get(name) != committed.get(name):
            yield Finding(STUBS / name, 0, "is not what the protos say: run `make protos`")


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.py*") if path.is_file()}


def main() -> int:
    """Generate, or with --check compare and write nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed stubs and write nothing")
    if parser.parse_args().check:
        return report("generated stubs", stale())
    for old in (ROOT / STUBS).glob("*_pb2*"):
        old.unlink()
    generate(ROOT / STUBS.parent.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
