"""Settings are whole and safe, or the service says which variable is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from elute_wire.address import Address
from elute_wire.errors import InvalidRequest
from elute_wire.settings import LogFormat, Plaintext, ServiceSettings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("ELUTE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def tls_files(tmp_path: Path) -> dict[str, str]:
    files = {}
    for name in ("CERTIFICATE", "KEY", "CA"):
        path = tmp_path / f"{name}.pem"
        path.write_text("pem")
        files[f"ELUTE_TLS_{name}_FILE"] = str(path)
    return files


def refusal(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> InvalidRequest:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidRequest) as caught:
        ServiceSettings.read()
    return caught.value


def test_settings_come_from_variables_and_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELUTE_LISTEN_ADDRESS", "unix:/run/c.sock")
    monkeypatch.setenv("ELUTE_TRANSFORM_ADDRESS", "127.0.0.1:7001")
    monkeypatch.setenv("ELUTE_LOG_FORMAT", "text")
    monkeypatch.setenv("ELUTE_METRICS_ADDRESS", "")
    settings = ServiceSettings.read()
    assert settings.listen_address == Address(socket=Path("/run/c.sock"))
    assert settings.transform_address == Address("127.0.0.1", 7001)
    assert settings.log_format is LogFormat.TEXT
    assert settings.metrics_address is None
    with pytest.raises(ValidationError, match="frozen"):
        settings.threads = 3


def test_every_wrong_variable_is_named_and_no_value_told(monkeypatch: pytest.MonkeyPatch) -> None:
    error = refusal(
        monkeypatch,
        {
            "ELUTE_CONNECTOR_ADDRESS": "CANARY",
            "ELUTE_THREADS": "CANARY",
            "ELUTE_LOG_LEVEL": "CANARY",
            "ELUTE_TLS_KEY_FILE": "/CANARY",
            "ELUTE_DRAIN_SECONDS": "-1",
        },
    )
    named = [problem.message.partition(":")[0] for problem in error.problems]
    assert sorted(named) == [
        "ELUTE_CONNECTOR_ADDRESS",
        "ELUTE_DRAIN_SECONDS",
        "ELUTE_LISTEN_ADDRESS",
        "ELUTE_LOG_LEVEL",
        "ELUTE_THREADS",
        "ELUTE_TLS_KEY_FILE",
    ]
    assert "ELUTE_LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error'" in error.message
    assert "CANARY" not in repr(error)
    assert error.__context__ is None or error.__suppress_context__


@pytest.mark.parametrize("variable", ["ELUTE_LISTEN_ADDRESS", "ELUTE_ANONYMIZER_ADDRESS"])
@pytest.mark.parametrize("address", ["0.0.0.0:7000", "10.1.2.3:7000", "elute-anonymizer:7000", "[::]:7000"])
def test_plaintext_beyond_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, address: str) -> None:
    error = refusal(monkeypatch, {"ELUTE_LISTEN_ADDRESS": "127.0.0.1:0", variable: address})
    assert error.message.startswith(f"reading settings: {variable}: without TLS only Unix sockets and loopback")
    assert "ELUTE_PLAINTEXT=anywhere" in error.message


def test_plaintext_beyond_this_machine_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELUTE_LISTEN_ADDRESS", "0.0.0.0:7000")
    monkeypatch.setenv("ELUTE_PLAINTEXT", "anywhere")
    assert ServiceSettings.read().plaintext is Plaintext.ANYWHERE


def test_with_tls_a_service_listens_anywhere(monkeypatch: pytest.MonkeyPatch, tls_files: dict[str, str]) -> None:
    for name, value in {**tls_files, "ELUTE_LISTEN_ADDRESS": "0.0.0.0:7000"}.items():
        monkeypatch.setenv(name, value)
    assert ServiceSettings.read().listen_address == Address("0.0.0.0", 7000)  # noqa: S104 - that is the point


@pytest.mark.parametrize("absent", ["CERTIFICATE", "KEY", "CA"])
def test_tls_with_two_of_three_files_is_refused(
    monkeypatch: pytest.MonkeyPatch, tls_files: dict[str, str], absent: str
) -> None:
    del tls_files[f"ELUTE_TLS_{absent}_FILE"]
    error = refusal(monkeypatch, {**tls_files, "ELUTE_LISTEN_ADDRESS": "127.0.0.1:0"})
    assert f"missing: ELUTE_TLS_{absent}_FILE" in error.message


def test_a_variable_that_should_be_json_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    class Extended(ServiceSettings):
        pools: dict[str, int]

    monkeypatch.setenv("ELUTE_POOLS", "{CANARY")
    with pytest.raises(InvalidRequest, match="JSON") as caught:
        Extended.read()
    assert "CANARY" not in repr(caught.value)
