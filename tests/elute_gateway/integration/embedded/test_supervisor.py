from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from elute_gateway.embedded.supervisor import Child, Supervisor

FOREVER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def child(folder: Path, command: list[str], **more: float) -> Child:
    return Child("one", command, os.environ, folder / "one.log", **more)  # type: ignore[arg-type] # seconds only


async def until_up(one: Child, starts: int) -> None:
    async with asyncio.timeout(10):
        while not (one.log.exists() and one.log.read_text().count("up") >= starts):
            await asyncio.sleep(0.02)


async def test_a_killed_child_comes_back(tmp_path: Path) -> None:
    deaths = []
    one = child(tmp_path, FOREVER)
    supervisor = Supervisor([one], lambda dead, code: deaths.append((dead.name, code)))
    supervisor.start()
    await until_up(one, 1)
    assert one.pid is not None
    os.kill(one.pid, signal.SIGKILL)
    await until_up(one, 2)
    await supervisor.stop()
    assert deaths == [("one", -signal.SIGKILL)]
    assert one.starts == 2


async def test_the_pause_grows_while_a_child_keeps_dying(tmp_path: Path) -> None:
    one = child(tmp_path, [sys.executable, "-c", "raise SystemExit(3)"])
    supervisor = Supervisor([one], lambda _dead, _code: None)
    started = time.monotonic()
    supervisor.start()
    async with asyncio.timeout(10):
        while one.starts < 4:
            await asyncio.sleep(0.02)
    await supervisor.stop()
    assert time.monotonic() - started > 0.2 + 0.4 + 0.8


async def test_a_child_that_will_not_stop_is_ended(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    one = child(tmp_path, [sys.executable, "-c", deaf], stop_seconds=0.3)
    supervisor = Supervisor([one], lambda _dead, _code: None)
    supervisor.start()
    await until_up(one, 1)
    async with asyncio.timeout(5):
        await supervisor.stop()
    assert one.pid is None


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        import asyncio, os, sys
        from pathlib import Path
        from elute_gateway.embedded.supervisor import Child, Supervisor

        async def main():
            one = Child("one", {FOREVER!r}, os.environ, Path({str(tmp_path / "one.log")!r}))
            Supervisor([one], lambda *_: None).start()
            while one.pid is None or "up" not in one.log.read_text():
                await asyncio.sleep(0.02)
            print(one.pid, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
        """
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and Path(f"/proc/{pid}").exists() and "Z" not in state(pid):
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists() or "Z" in state(pid)


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"
