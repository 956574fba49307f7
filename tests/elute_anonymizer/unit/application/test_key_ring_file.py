import json
import stat
from pathlib import Path

import pytest

from elute_anonymizer.application.key_ring_file import (
    DOCUMENT_VARIABLE,
    PATH_VARIABLE,
    load_key_ring,
    new_key_ring,
    read_key_ring,
    rotated,
    write_key_ring,
)
from elute_wire.errors import KeyUnavailable


@pytest.fixture
def ring_file(tmp_path: Path) -> Path:
    path = tmp_path / "ring.json"
    write_key_ring(path, new_key_ring("shop"))
    return path


def test_a_written_ring_is_read_back_and_only_its_owner_may_read_it(ring_file: Path) -> None:
    ring = read_key_ring(ring_file)
    assert (ring.name, ring.current, list(ring.versions)) == ("shop", 1, [1])
    assert stat.S_IMODE(ring_file.stat().st_mode) == 0o600
    assert [entry.name for entry in ring_file.parent.iterdir()] == ["ring.json"]


def test_rotation_adds_a_version_and_keeps_the_old_ones(ring_file: Path) -> None:
    before = read_key_ring(ring_file)
    write_key_ring(ring_file, rotated(before))
    after = read_key_ring(ring_file)
    assert (after.current, sorted(after.versions)) == (2, [1, 2])
    assert after.versions[1] == before.versions[1]
    assert after.versions[2].secret != before.versions[1].secret


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666, 0o610])
def test_a_ring_that_others_could_get_at_is_refused(ring_file: Path, mode: int) -> None:
    ring_file.chmod(mode)
    with pytest.raises(KeyUnavailable, match="lets others") as caught:
        read_key_ring(ring_file)
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_ring_of_its_owner_alone_is_read(ring_file: Path, mode: int) -> None:
    ring_file.chmod(mode)
    assert read_key_ring(ring_file).name == "shop"


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        '"text"',
        '{"name": "n", "current": 1, "versions": []}',
        '{"name": "n", "current": 1, "versions": {"1": {"created": "2026-01-01", "secret": "zz5eC2e7"}}}',
        '{"name": "n", "current": 1, "versions": {"1": {"created": "someday", "secret": "00"}}}',
        '{"name": "n", "current": 1, "versions": {"one": {"created": "2026-01-01", "secret": "00"}}}',
        '{"name": "n", "current": 1, "versions": {"1": {"created": "2026-01-01", "secret": "aabbccdd"}}}',
    ],
)
def test_a_malformed_ring_is_refused_without_showing_it(document: str) -> None:
    with pytest.raises(KeyUnavailable) as caught:
        load_key_ring({DOCUMENT_VARIABLE: document or " "})
    assert "aabbccdd" not in str(caught.value)
    assert "zz5eC2e7" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_environment_names_a_file_or_holds_the_document(ring_file: Path) -> None:
    by_path = load_key_ring({PATH_VARIABLE: str(ring_file)})
    assert load_key_ring({DOCUMENT_VARIABLE: ring_file.read_text()}) == by_path


def test_no_ring_and_two_rings_are_refused(ring_file: Path) -> None:
    with pytest.raises(KeyUnavailable, match="neither"):
        load_key_ring({})
    with pytest.raises(KeyUnavailable, match="both"):
        load_key_ring({PATH_VARIABLE: str(ring_file), DOCUMENT_VARIABLE: json.dumps({})})


def test_a_missing_file_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="FileNotFoundError"):
        read_key_ring(tmp_path / "none.json")
    with pytest.raises(KeyUnavailable, match="FileNotFoundError"):
        write_key_ring(tmp_path / "none" / "ring.json", new_key_ring("shop"))
