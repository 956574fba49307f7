"""A secret is read only from a file that nobody else could read."""

from pathlib import Path

import pytest

from elute_wire.errors import InvalidRequest
from elute_wire.secret_file import read_secret_file, write_secret_file


def test_a_written_secret_is_read_and_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_secret_file(path, b"secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_secret_file(path) == b"secret"


def test_a_secret_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_secret_file(path, b"secret")
    with pytest.raises(InvalidRequest, match="File exists"):
        write_secret_file(path, b"other")
    assert read_secret_file(path) == b"secret"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_owner_and_reading_group_are_fine(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"secret")
    path.chmod(mode)
    assert read_secret_file(path) == b"secret"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
def test_a_file_open_to_others_is_refused_and_the_mode_named(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"secret")
    path.chmod(mode)
    with pytest.raises(InvalidRequest, match=f"mode {mode:o} is too open") as caught:
        read_secret_file(path)
    assert caught.value.hint == f"chmod 600 {path}"


def test_what_is_no_file_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="No such file"):
        read_secret_file(tmp_path / "absent")
    with pytest.raises(InvalidRequest, match="Is a directory"):
        read_secret_file(tmp_path)
    write_secret_file(tmp_path / "large", b"x" * (1024 * 1024 + 1))
    with pytest.raises(InvalidRequest, match="1048577 bytes"):
        read_secret_file(tmp_path / "large")
