"""Look for known vulnerabilities of the pinned packages with pip-audit, where its database can be reached."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.repository import ROOT, Finding, report

LOCK = "requirements-dev.txt"


def vulnerable(dependencies: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield name with version, and identifier with the versions that mend it, of each known vulnerability."""
    for dependency in dependencies:
        for known in dependency.get("vulns", ()):
            mended = ", ".join(known["fix_versions"]) or "no version yet"
            yield f"{dependency['name']} {dependency['version']}", f"{known['id']}, mended in {mended}"


def main() -> int:
    """Run pip-audit over the lock: 1 where it finds something, 0 where it finds nothing or has nobody to ask."""
    options = ["--progress-spinner=off", "--format=json", "--require-hashes", "--disable-pip", "--timeout=30"]
    command = [sys.executable, "-m", "pip_audit", *options, "--requirement", LOCK]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        print(f"audit: skipped, pip-audit ended with {done.returncode}: {last}")
        return 0
    audited = sum("vulns" in dependency for dependency in dependencies)
    print(f"audit: {audited} of {len(dependencies)} packages are known to the database that this machine reaches")
    if not audited:
        print("audit: skipped, it knows none of them")
        return 0
    findings = (Finding(Path(LOCK), 0, f"{package}: {known}") for package, known in vulnerable(dependencies))
    return report("audit", findings)


if __name__ == "__main__":
    sys.exit(main())
