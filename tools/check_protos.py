"""Lint the wire contract with buf, and refuse what breaks the last released version of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tools.repository import ROOT


def main() -> int:
    """Run `buf lint`, and `buf breaking` against the newest tag; without buf say so, and in CI fail."""
    buf = shutil.which("buf")
    if buf is None:
        print("protos: skipped, buf is not installed (npm install --global @bufbuild/buf)")
        return 1 if os.environ.get("CI") == "true" else 0
    lint = subprocess.run([buf, "lint"], cwd=ROOT, check=False).returncode
    tag = newest_tag()
    if tag is None:
        print("protos: nothing to compare with, no version has been tagged")
        return lint
    breaking = subprocess.run([buf, "breaking", "--against", f".git#tag={tag}"], cwd=ROOT, check=False).returncode
    print(f"protos: compared with {tag}")
    return lint or breaking


def newest_tag() -> str | None:
    """Answer the version tag nearest to the commit that is checked out; None where there is none."""
    command = ["git", "describe", "--tags", "--abbrev=0", "--match", "v*"]
    described = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return described.stdout.strip() or None if described.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
