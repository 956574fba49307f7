from pathlib import Path

import pytest

from elute_anonymizer.application.key_ring_file import read_key_ring
from elute_anonymizer.keys_cli import main


def test_a_ring_is_created_rotated_and_listed_without_showing_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ring.json"
    assert main(["create", "--name", "shop", str(path)]) == 0
    assert main(["rotate", str(path)]) == 0
    assert main(["list", str(path)]) == 0
    ring = read_key_ring(path)
    shown = capsys.readouterr().out
    listing = shown.splitlines()[-4:]
    assert listing[0] == "key ring shop"
    assert ring.versions[1].fingerprint in listing[2]
    assert listing[2].split()[0] == "1"
    assert "current" not in listing[2]
    assert listing[3].endswith("current")
    for version in ring.versions.values():
        assert version.secret.hex()[:8] not in shown


def test_an_existing_ring_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ring.json"
    main(["create", str(path)])
    before = path.read_bytes()
    assert main(["create", str(path)]) == 1
    assert path.read_bytes() == before
    assert "the file exists" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["rotate", "list"])
def test_a_missing_ring_ends_with_1(tmp_path: Path, command: str) -> None:
    assert main([command, str(tmp_path / "none.json")]) == 1


@pytest.mark.parametrize("arguments", [[], ["destroy", "x"], ["create"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
