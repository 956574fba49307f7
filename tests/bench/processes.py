"""What processes use: peak memory and processor time, read from /proc."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil


def reset_peaks(processes: Mapping[str, int]) -> None:
    """Forget the peak memory of processes.

    Source:
        proc_pid_clear_refs(5): writing 5 sets VmHWM to what is resident now.
    """
    for pid in processes.values():
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def peaks(processes: Mapping[str, int]) -> dict[str, int]:
    """Answer the most bytes that each process has had resident since the last reset."""
    return {name: _high_water_bytes(pid) for name, pid in processes.items()}


def processor_seconds(processes: Mapping[str, int]) -> dict[str, float]:
    """Answer the processor time of each process, its ended and its living children included."""
    return {name: _seconds(psutil.Process(pid)) for name, pid in processes.items()}


def _high_water_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    total: float = times.user + times.system + times.children_user + times.children_system
    for child in process.children():
        try:
            total += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue  # it has ended since, and counts among its parent's ended children next time
    return total
