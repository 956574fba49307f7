"""The account a server runs under when root starts it.

PostgreSQL refuses to run as root, and containers and CI machines are root more often than not.
"""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Account:
    """Who a program runs as.

    Attributes:
        prefix: words put in front of the command; they replace themselves by it, so that its process id is ours.
        user_id: user to change to before the command starts; None keeps the caller's.
        group_id: group to change to; None keeps the caller's.
    """

    prefix: tuple[str, ...] = ()
    user_id: int | None = None
    group_id: int | None = None

    def take_over(self, path: Path) -> None:
        """Make this account the owner of `path` and of everything below it."""
        if self.user_id is None or self.group_id is None:
            return
        for owned in (path, *path.rglob("*")):
            os.chown(owned, self.user_id, self.group_id, follow_symlinks=False)

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], output: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        """Start `command` in a session of its own, so that a terminal's Ctrl-C reaches it through its owner only."""
        return subprocess.Popen(
            [*self.prefix, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=self.user_id,
            group=self.group_id,
            extra_groups=None if self.user_id is None else [],
            start_new_session=True,
        )


@functools.cache
def unprivileged() -> Account:
    """Answer an account that is not root: the caller's own where it is none.

    For root it is a user namespace in which root's files belong to user 1000, so nothing has to change its owner;
    where the kernel does not permit one, the user `nobody`.
    """
    if os.geteuid() != 0:
        return Account()
    unshare = shutil.which("unshare")
    if unshare is not None:
        prefix = (unshare, "--user", "--map-user=1000", "--map-group=1000")
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
            return Account(prefix)
    nobody = pwd.getpwnam("nobody")
    return Account(user_id=nobody.pw_uid, group_id=nobody.pw_gid)
