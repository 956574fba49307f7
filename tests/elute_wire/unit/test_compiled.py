"""Compiled functions: as fast as machine code, and the same as what they are written as."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from elute_wire.compiled import compiled, interpreted


@compiled
def _total(numbers: npt.NDArray[np.int64]) -> int:
    total = 0
    for number in numbers:
        total += number
    return total


def test_a_compiled_function_answers_what_its_source_says() -> None:
    numbers = np.arange(1000)
    assert _total(numbers) == interpreted(_total)(numbers) == 499_500


def test_a_process_without_a_folder_for_machine_code_compiles_for_itself(tmp_path: Path) -> None:
    module = tmp_path / "sums.py"
    module.write_text(
        "from elute_wire.compiled import compiled\n@compiled\ndef double(number):\n    return number + number\n"
    )
    # Compiled source without a file to keep anything beside, and a home that is none.
    program = f"exec(compile(open({str(module)!r}).read(), '<no file>', 'exec')); print(double(21))"
    environment = {**os.environ, "HOME": "/nowhere", "XDG_CACHE_HOME": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives the pages back")
def test_the_compiler_that_was_let_go_takes_less_memory_and_still_compiles() -> None:
    program = """
import psutil
from elute_wire.compiled import compiled, let_compiler_go

def resident():
    return psutil.Process().memory_info().rss

before = resident()
let_compiler_go()
print(before - resident() > 20 * 2**20, compiled(lambda number: number + number)(21))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "True 42\n", done.stderr
