"""Who may do what: scopes, the callers that hold them, and what is written down about their doing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from elute_wire.errors import Forbidden


class Scope(StrEnum):
    """A verb on a resource, and what it allows."""

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        """Make a member of its word and its meaning."""
        scope = str.__new__(cls, word)
        scope._value_ = word
        scope.meaning = meaning
        return scope

    CONNECTIONS_READ = "connections:read", "See connections; their secrets are never shown."
    CONNECTIONS_WRITE = "connections:write", "Make, change and delete connections."
    CONNECTIONS_CHECK = "connections:check", "Have a connector try a connection."
    DATASETS_READ = "datasets:read", "See what a data store holds: names, types, keys and sizes."
    DATASETS_PREVIEW = "datasets:preview", "See a few rows as a pipeline would write them, scrubbed."
    PIPELINES_READ = "pipelines:read", "See pipelines and policies."
    PIPELINES_PLAN = "pipelines:plan", "Plan a pipeline without saving it."
    PIPELINES_WRITE = "pipelines:write", "Save and delete pipelines, and pin what their patterns expand to."
    RUNS_READ = "runs:read", "See runs, their events, logs, partitions and reports."
    RUNS_WRITE = "runs:write", "Start, cancel, resume and repair runs."
    API_KEYS_READ = "api-keys:read", "See who holds which scopes."
    API_KEYS_WRITE = "api-keys:write", "Make and revoke API keys, with no scope that one does not hold."
    AUDIT_READ = "audit:read", "See who did what."
    DATA_EXPORT_RAW = "data:export-raw", "Copy or preview rows that nothing has scrubbed."


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sends a request: an API key, by its id and name, and its scopes."""

    id: str
    name: str
    scopes: frozenset[Scope]

    def require(self, scopes: Iterable[Scope], doing: str) -> None:
        """Check that the caller holds all of some scopes.

        Args:
            scopes: The scopes.
            doing: What the caller wants, a gerund.

        Raises:
            Forbidden: One is missing.
        """
        missing = [str(scope) for scope in scopes if scope not in self.scopes]
        if missing:
            raise Forbidden(f"{doing}: the API key lacks {', '.join(missing)}", hint="use a key with this scope")


class Action(StrEnum):
    """What the audit trail tells of."""

    CONNECTION_CREATED = "connection.created"
    CONNECTION_CHANGED = "connection.changed"
    CONNECTION_DELETED = "connection.deleted"
    PIPELINE_SAVED = "pipeline.saved"
    PIPELINE_PREVIEWED = "pipeline.previewed"
    PIPELINE_DELETED = "pipeline.deleted"
    POLICY_DELETED = "policy.deleted"
    RUN_STARTED = "run.started"
    RUN_STARTED_RAW = "run.started-raw"
    RUN_CANCELLED = "run.cancelled"
    RUN_RESUMED = "run.resumed"
    RUN_REPAIRED = "run.repaired"
    API_KEY_CREATED = "api-key.created"
    API_KEY_REVOKED = "api-key.revoked"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An API key without the key: a prefix that people may see, and the SHA-256 that proves the rest.

    Times are seconds since 1970.
    """

    id: str
    name: str
    prefix: str
    hash: bytes
    scopes: tuple[str, ...]
    created_at: float = 0.0
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what to what, and when; `detail` is a JSON object without secrets and cell values."""

    id: str
    actor: str
    action: str
    subject: str
    detail: Mapping[str, object]
    at: float = 0.0
