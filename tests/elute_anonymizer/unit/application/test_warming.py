"""No batch waits for a compiler: what is compiled is compiled when the service says that it is ready."""

import subprocess
import sys

PROGRAM = """
import json, sys
import pyarrow as pa
from elute_anonymizer.application.examination import techniques
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
exercises = [(name, exercise) for name, found in techniques().items() for exercise in found.exercises]
for name, exercise in exercises:
    values = exercise.cells.values
    empty = pa.array([], values.type)
    column = pa.concat_arrays([values, pa.nulls(2, values.type), values])
    for part in (empty, column, column.slice(1), column.slice(len(column))):
        scrub(name, exercise.options, part, exercise.cells.logical)
late = [name for name, count in versions().items() if count != warmed.get(name)]
assert not late, f"loops that no exercise of a technique goes through: {late}"
"""


def test_no_technique_compiles_anything_after_the_warming() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
