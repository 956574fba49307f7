"""No batch waits for a compiler: what is compiled is compiled when the service says that it is ready."""

import subprocess
import sys

PROGRAM = """
import json, sys
import pyarrow as pa
from elute_anonymizer.application.warming import warm
from tests.support.scrubbing import GOLDEN, golden_output, scrub

def versions():
    return {
        (module, name): len(value.signatures)
        for module in list(sys.modules) if module.startswith("elute_")
        for name, value in vars(sys.modules[module]).items() if hasattr(value, "signatures")
    }

warm()
warmed = versions()
assert sum(warmed.values()) > 8, warmed
for case in json.loads(GOLDEN.read_text(encoding="utf-8")):
    golden_output(case)
for values in (["a@b.example", None, "+49 30 123456", ""], []):
    column = pa.array(values, pa.string())
    for part in (column, column.slice(1), pa.concat_arrays([column, column])):
        scrub("fake", {"kind": "email", "mail_host": "alias"}, part)
        scrub("fpe", {"format": "phone"}, part)
late = [name for name, count in versions().items() if count != warmed[name]]
assert not late, f"compiled after the warming: {late}"
"""


def test_no_technique_compiles_anything_after_the_warming() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
