"""How the `elute` command ends."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script may decide by, as restic's.

    Source: https://restic.readthedocs.io/en/stable/075_scripting.html#exit-codes
    """

    SUCCESS = 0
    FAILURE = 1
    USAGE = 2
    PARTIAL = 3
    INTERRUPTED = 130
