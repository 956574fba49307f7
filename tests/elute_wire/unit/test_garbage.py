from __future__ import annotations

import subprocess
import sys


def test_what_is_loaded_is_left_alone_by_the_collector() -> None:
    program = "import gc; from elute_wire.garbage import *; leave_alone_what_stays(); print(gc.get_freeze_count())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert int(done.stdout) > 1000
