"""What every service is told from outside: variables `ELUTE_…`, and files for secrets."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, FilePath, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from elute_wire.address import Address
from elute_wire.errors import InvalidRequest, Problem

PREFIX = "ELUTE_"


def _address(value: object) -> object:
    return Address.parse(value) if isinstance(value, str) else value


def _addresses(value: object) -> object:
    return [Address.parse(part.strip()) for part in value.split(",")] if isinstance(value, str) else value


# NoDecode: an address is not JSON.
_Address = Annotated[Address, NoDecode, BeforeValidator(_address)]
_OptionalAddress = Annotated[Address | None, NoDecode, BeforeValidator(_address)]
Addresses = Annotated[tuple[Address, ...], NoDecode, BeforeValidator(_addresses)]
"""Several addresses, separated by commas."""

_TLS_FIELDS = ("tls_certificate_file", "tls_key_file", "tls_ca_file")
# pydantic's own words for these kinds name no part of what was given; for others they may.
_HARMLESS = {"missing", "enum", "path_not_file", "value_error", "int_parsing", "float_parsing", "bool_parsing"} | {
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
}


class LogLevel(StrEnum):
    """The least important message that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a message is written: for machines, or for a terminal."""

    JSON = "json"
    TEXT = "text"


class Plaintext(StrEnum):
    """Where traffic may go without TLS."""

    LOCAL = "local"
    ANYWHERE = "anywhere"


class ServiceSettings(BaseSettings):
    """What every service is told from outside; each field is the variable `ELUTE_<FIELD>`.

    Attributes:
        log_level: The least important message that is logged.
        log_format: How messages are written.
        plaintext: `local` refuses addresses beyond this machine without TLS; `anywhere` does not.
        tls_certificate_file: This service's certificate chain, PEM.
        tls_key_file: Its private key, PEM, readable by nobody else.
        tls_ca_file: The authorities that every peer's certificate must come from, PEM.
        listen_address: Where the service is called, `unix:<path>` or `<host>:<port>`.
        metrics_address: Where `/metrics`, `/livez` and `/readyz` answer over HTTP; unset for nowhere.
        connector_address: Where the connector service is; unset for a connector that reads for its own loads itself.
        transform_address: Where the transform service is.
        anonymizer_address: Where the anonymizer service is.
        threads: Threads for blocking work.
        drain_seconds: How long running calls may go on once the service is told to stop.
        endpoint_wait_seconds: How long a service that was told to stop still takes calls, so that load balancers
            learn of it first.
        max_connection_age_seconds: When a TCP client is told to connect anew, so that it finds new replicas.
        max_connection_age_grace_seconds: How long calls may go on after that; longer than any partition takes.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        validate_default=True,
        hide_input_in_errors=True,
    )

    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.JSON
    plaintext: Plaintext = Plaintext.LOCAL
    tls_certificate_file: FilePath | None = None
    tls_key_file: FilePath | None = None
    tls_ca_file: FilePath | None = None
    listen_address: _Address
    metrics_address: _OptionalAddress = None
    connector_address: _OptionalAddress = None
    transform_address: _OptionalAddress = None
    anonymizer_address: _OptionalAddress = None
    threads: int = Field(default=8, ge=1, le=256)
    drain_seconds: float = Field(default=60.0, ge=0, le=3600)
    endpoint_wait_seconds: float = Field(default=0.0, ge=0, le=300)
    max_connection_age_seconds: float = Field(default=300.0, ge=1)
    max_connection_age_grace_seconds: float = Field(default=900.0, ge=1)

    @field_validator("tls_ca_file")
    @classmethod
    def _tls_is_whole(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        given = {"tls_ca_file": value, **info.data}
        missing = [name for name in _TLS_FIELDS if given.get(name) is None]
        if 0 < len(missing) < len(_TLS_FIELDS):
            raise ValueError(f"TLS needs all three of its files; missing: {', '.join(map(_variable, missing))}")
        return value

    @field_validator("listen_address", "connector_address", "transform_address", "anonymizer_address")
    @classmethod
    def _plaintext_stays_local(cls, value: Address | None, info: ValidationInfo) -> Address | None:
        if value is None or value.is_local or info.data.get("tls_ca_file") is not None:
            return value
        if info.data.get("plaintext") is not Plaintext.ANYWHERE:
            raise ValueError(
                "without TLS only Unix sockets and loopback addresses are allowed; "
                f"set {', '.join(map(_variable, _TLS_FIELDS))}, or {_variable('plaintext')}=anywhere"
            )
        return value

    @classmethod
    def read(cls) -> Self:
        """Read the settings from the environment.

        Raises:
            InvalidRequest: Variables are missing or wrong; each is a problem that names it, and no value.
        """
        try:
            return cls()  # type: ignore[call-arg]  # the environment gives the arguments
        except ValidationError as error:
            problems = tuple(_problem(entry) for entry in error.errors(include_input=False, include_context=False))
        except SettingsError:
            problems = (Problem("setting-refused", "a variable that should hold JSON does not"),)
        raise InvalidRequest(
            "reading settings: " + "; ".join(problem.message for problem in problems), problems=problems
        )


def _variable(field: str) -> str:
    return f"{PREFIX}{field.upper()}"


def _problem(entry: ErrorDetails) -> Problem:
    variable = _variable(str(entry["loc"][0]))
    reason = entry["msg"].removeprefix("Value error, ") if entry["type"] in _HARMLESS else "not a valid value"
    return Problem("setting-refused", f"{variable}: {reason}")
