"""Files that hold a secret: read only when nobody else could have read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from elute_wire.errors import InvalidRequest

# Its owner may do anything, its group may read: a mounted Kubernetes secret is readable by the pod's group.
_FORBIDDEN_MODE = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP
_LIMIT_BYTES = 1024 * 1024


def read_secret_file(path: Path) -> bytes:
    """Read a file after checking that others may not.

    Raises:
        InvalidRequest: It is not there, not readable, larger than 1 MiB, or open to others.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidRequest(f"reading the secret file {path}: {os.strerror(error.errno or 0)}") from None
    with file:
        # The open file is judged, not its path, which may come to mean another.
        found = os.fstat(file.fileno())
        if found.st_mode & _FORBIDDEN_MODE:
            mode = stat.S_IMODE(found.st_mode)
            raise InvalidRequest(f"reading the secret file {path}: its mode {mode:o} is too open", f"chmod 600 {path}")
        if found.st_size > _LIMIT_BYTES:
            raise InvalidRequest(f"reading the secret file {path}: {found.st_size} bytes are more than a secret has")
        return file.read()


def write_secret_file(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read, and have it on the disk before returning.

    Raises:
        InvalidRequest: It exists, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InvalidRequest(f"writing the secret file {path}: {os.strerror(error.errno or 0)}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
