"""What the gateway alone is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from elute_gateway.settings import GatewaySettings
from elute_wire.address import Address
from elute_wire.errors import InvalidRequest


@pytest.fixture(autouse=True)
def needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("ELUTE_"):
            monkeypatch.delenv(name)
    key = tmp_path / "sealing.pub"
    key.touch()
    monkeypatch.setenv("ELUTE_LISTEN_ADDRESS", "127.0.0.1:8642")
    monkeypatch.setenv("ELUTE_STORE_URL", "sqlite:////nowhere/elute.db")
    monkeypatch.setenv("ELUTE_SEALING_PUBLIC_KEY_FILE", str(key))


def test_several_connectors_are_named_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GatewaySettings.read().connector_addresses == ()
    monkeypatch.setenv("ELUTE_CONNECTOR_ADDRESSES", "unix:/run/c1, 127.0.0.1:9000,[::1]:9001")
    assert GatewaySettings.read().connector_addresses == (
        Address(socket=Path("/run/c1")),
        Address("127.0.0.1", 9000),
        Address("::1", 9001),
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("unix:/run/c1,", "an address is"),
        ("unix:/run/c1,unix:/run/c1", "the same connector twice"),
        ("unix:/run/c1,connector-1.example:9000", "without TLS only"),
    ],
)
def test_a_wrong_list_of_connectors_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    monkeypatch.setenv("ELUTE_CONNECTOR_ADDRESSES", value)
    with pytest.raises(InvalidRequest, match=said) as caught:
        GatewaySettings.read()
    assert "ELUTE_CONNECTOR_ADDRESSES" in str(caught.value)


def test_runs_are_kept_for_a_day_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELUTE_RUN_RETENTION_SECONDS", "3600")
    with pytest.raises(InvalidRequest, match="ELUTE_RUN_RETENTION_SECONDS"):
        GatewaySettings.read()
