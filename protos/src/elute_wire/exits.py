"""How the processes of services end."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit code of a service's process."""

    STOPPED = 0
    FAILED = 1
    MISCONFIGURED = 2
    KILLED = 130
