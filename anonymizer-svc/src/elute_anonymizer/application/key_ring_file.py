"""The key ring as a file or an environment variable: a JSON document that only its owner may read.

    {"name": "shop", "current": 2, "versions": {
        "1": {"created": "2026-01-31T09:00:00+00:00", "secret": "<64 hexadecimal digits>"}, "2": …}}

There is no default key. What cannot be read, or could be read by others, is refused; no message holds any of its text.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from elute_anonymizer.domain.keys import KEY_BYTES, KeyRing, KeyVersion
from elute_wire.errors import KeyUnavailable

PATH_VARIABLE = "ELUTE_KEY_RING_FILE"
DOCUMENT_VARIABLE = "ELUTE_KEY_RING"

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def load_key_ring(environment: Mapping[str, str]) -> KeyRing:
    """Read the key ring that the environment names.

    Args:
        environment: `ELUTE_KEY_RING_FILE` holds a path, or `ELUTE_KEY_RING` the document itself.

    Raises:
        KeyUnavailable: Neither is set, both are, or the ring cannot be read.
    """
    path, document = environment.get(PATH_VARIABLE), environment.get(DOCUMENT_VARIABLE)
    if bool(path) == bool(document):
        raise KeyUnavailable(
            f"looking for a key ring: {'both' if path else 'neither'} {PATH_VARIABLE} and {DOCUMENT_VARIABLE} are set",
            hint="make a ring with `elute-keys create FILE` and name the file",
        )
    return read_key_ring(Path(path)) if path else parse_key_ring(document or "", f"variable {DOCUMENT_VARIABLE}")


def read_key_ring(path: Path) -> KeyRing:
    """Read a key ring's file.

    Raises:
        KeyUnavailable: The file is missing, no plain file, readable by others than its owner, or malformed.
    """
    try:
        # Opened once, so that the file whose mode is checked is the file that is read.
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            document = file.read().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyUnavailable(f"reading key ring {path}: {type(error).__name__}") from None
    if mode & _OTHERS:
        raise KeyUnavailable(
            f"reading key ring {path}: its mode {stat.S_IMODE(mode):04o} lets others than its owner at it",
            hint=f"chmod 600 {path}, and rotate the key if others could read it",
        )
    return parse_key_ring(document, str(path))


def parse_key_ring(document: str, origin: str) -> KeyRing:
    """Read a key ring's document.

    Args:
        document: The JSON text.
        origin: Where it comes from, for errors.

    Raises:
        KeyUnavailable: It is malformed.
    """
    try:
        content = json.loads(document)
        versions = {
            int(number): KeyVersion(bytes.fromhex(version["secret"]), datetime.fromisoformat(version["created"]))
            for number, version in content["versions"].items()
        }
        return KeyRing(str(content["name"]), versions, int(content["current"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KeyUnavailable(f"reading key ring {origin}: it is not a key ring's document") from None


def new_key_ring(name: str) -> KeyRing:
    """Make a ring with one fresh version."""
    return KeyRing(name, {1: _fresh()}, current=1)


def rotated(ring: KeyRing) -> KeyRing:
    """Return the ring with a fresh current version; the old versions stay, so what they made can be made again."""
    number = max(ring.versions) + 1
    return KeyRing(ring.name, {**ring.versions, number: _fresh()}, current=number)


def write_key_ring(path: Path, ring: KeyRing) -> None:
    """Write a ring to a file that only its owner may read, replacing it as a whole or not at all.

    Raises:
        KeyUnavailable: The file cannot be written.
    """
    versions = {
        str(number): {"created": version.created.isoformat(), "secret": version.secret.hex()}
        for number, version in sorted(ring.versions.items())
    }
    document = json.dumps({"name": ring.name, "current": ring.current, "versions": versions}, indent=2) + "\n"
    temporary = None
    try:
        # mkstemp makes the file with mode 0600; beside the target, so that the rename is atomic.
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise KeyUnavailable(f"writing key ring {path}: {type(error).__name__}") from None


def _fresh() -> KeyVersion:
    return KeyVersion(secrets.token_bytes(KEY_BYTES), datetime.now(UTC).replace(microsecond=0))
