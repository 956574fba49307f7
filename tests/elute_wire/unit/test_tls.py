"""Certificates are read whole, and a key that others can read is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from elute_wire.errors import InvalidRequest
from elute_wire.settings import ServiceSettings
from elute_wire.tls import Certificates


@pytest.fixture
def told(tmp_path: Path) -> ServiceSettings:
    files = {}
    for name in ("tls_certificate_file", "tls_key_file", "tls_ca_file"):
        files[name] = tmp_path / name
        files[name].write_text(name)
        files[name].chmod(0o600)
    return ServiceSettings.model_validate({"listen_address": "127.0.0.1:0", **files})


def test_the_three_files_are_read_and_not_shown(told: ServiceSettings) -> None:
    certificates = Certificates.read(told)
    assert certificates is not None
    assert (certificates.chain, certificates.key) == (b"tls_certificate_file", b"tls_key_file")
    assert "tls_key_file" not in repr(certificates)


def test_without_settings_there_are_none() -> None:
    assert Certificates.read(ServiceSettings.model_validate({"listen_address": "127.0.0.1:0"})) is None


def test_a_key_open_to_others_is_refused(told: ServiceSettings, tmp_path: Path) -> None:
    (tmp_path / "tls_key_file").chmod(0o644)
    with pytest.raises(InvalidRequest, match="too open"):
        Certificates.read(told)


def test_a_file_that_has_gone_is_said(told: ServiceSettings, tmp_path: Path) -> None:
    (tmp_path / "tls_ca_file").unlink()
    with pytest.raises(InvalidRequest, match="reading certificates: FileNotFoundError"):
        Certificates.read(told)
