"""The store's tables. Every row belongs to a workspace; no row holds a cell value, a readable secret or a foreign text.

The migrations make the tables; a test proves that they make these. Times are seconds since 1970 by the database's
clock.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

workspace = Table(
    "workspace",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
)


def _workspace() -> Column[str]:
    return Column("workspace_id", Text, ForeignKey("workspace.id"), nullable=False)


connection = Table(
    "connection",
    metadata,
    Column("id", Text, primary_key=True),
    _workspace(),
    Column("name", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("settings", Text, nullable=False),  # a JSON object, passed on as it is
    Column("secret_key_id", Text),
    Column("secret_public_key", LargeBinary),
    Column("secret_ciphertext", LargeBinary),
    Column("parallel_partitions", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("workspace_id", "name"),
    CheckConstraint("parallel_partitions > 0", name="parallel"),
)

policy = Table(
    "policy",
    metadata,
    Column("id", Text, primary_key=True),
    _workspace(),
    Column("name", Text, nullable=False),  # its id once it was deleted: the name is free again
    Column("created_at", Double, nullable=False),
    Column("former_name", Text),  # of a deleted one, which stays while runs tell of it
    UniqueConstraint("workspace_id", "name"),
)

policy_version = Table(
    "policy_version",
    metadata,
    Column("policy_id", Text, ForeignKey("policy.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _workspace(),
    Column("document", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)

pipeline = Table(
    "pipeline",
    metadata,
    Column("id", Text, primary_key=True),
    _workspace(),
    Column("name", Text, nullable=False),  # its id once it was deleted: the name is free again
    Column("created_at", Double, nullable=False),
    Column("former_name", Text),  # of a deleted one, which stays while runs tell of it
    UniqueConstraint("workspace_id", "name"),
)

pipeline_version = Table(
    "pipeline_version",
    metadata,
    Column("pipeline_id", Text, ForeignKey("pipeline.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _workspace(),
    Column("document", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)

run = Table(
    "run",
    metadata,
    Column("id", Text, primary_key=True),
    _workspace(),
    Column("pipeline_id", Text, nullable=False),
    Column("pipeline_version", Integer, nullable=False),
    Column("policy_id", Text),
    Column("policy_version", Integer),
    Column("scrub", Text, nullable=False),
    Column("parallel_partitions", Integer, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("request_digest", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("phase", Text),
    Column("round", Integer, nullable=False),
    Column("owner", Text, nullable=False),  # the gateway that executes it; empty while none does
    Column("epoch", Integer, nullable=False),
    Column("lease", Double, nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("plan", Text),  # domain.plan.Plan
    Column("failure", JSON(none_as_null=True)),
    Column("report", JSON, nullable=False),
    Column("last_event", BigInteger, nullable=False),
    Column("last_log", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    UniqueConstraint("workspace_id", "idempotency_key"),
    ForeignKeyConstraint(
        ["pipeline_id", "pipeline_version"], ["pipeline_version.pipeline_id", "pipeline_version.version"]
    ),
    ForeignKeyConstraint(["policy_id", "policy_version"], ["policy_version.policy_id", "policy_version.version"]),
    Index(
        "ix_run_active",
        "lease",
        sqlite_where=text("state IN ('queued', 'running')"),
        postgresql_where=text("state IN ('queued', 'running')"),
    ),
)


def _run() -> Column[str]:
    return Column("run_id", Text, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)


run_snapshot = Table(
    "run_snapshot",
    metadata,
    _run(),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    _workspace(),
    Column("visible", Text, nullable=False),
    Column("lost", Boolean, nullable=False),
)

run_dataset = Table(
    "run_dataset",
    metadata,
    _run(),
    Column("schema_name", Text, primary_key=True),
    Column("dataset_name", Text, primary_key=True),
    _workspace(),
    Column("generation", Integer, nullable=False),
    Column("partitions", Integer, nullable=False),
    Column("partitions_done", Integer, nullable=False),
    Column("estimated_rows", BigInteger, nullable=False),
    Column("estimated_bytes", BigInteger, nullable=False),
    Column("rows_read", BigInteger, nullable=False),
    Column("rows_written", BigInteger, nullable=False),
    Column("rows_filtered", BigInteger, nullable=False),
    Column("rows_rejected", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

partition = Table(
    "partition",
    metadata,
    _run(),
    Column("id", Text, primary_key=True),
    _workspace(),
    Column("ordinal", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("units", Text, nullable=False),  # domain.ledger.Unit, a JSON array; key ranges inside are sealed
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("deaths", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("lease", Double, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("queued_at", Double, nullable=False),
    Column("estimated_rows", BigInteger, nullable=False),
    Column("estimated_bytes", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("digest", LargeBinary),  # those of its units' streams, in order
    Column("error_code", Text, nullable=False),
    Index(
        "ix_partition_running",
        "lease",
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
    Index(
        "ix_partition_open",
        "run_id",
        "ordinal",
        sqlite_where=text("state IN ('queued', 'running')"),
        postgresql_where=text("state IN ('queued', 'running')"),
    ),
)

run_event = Table(
    "run_event",
    metadata,
    _run(),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _workspace(),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("data", JSON, nullable=False),
)

run_log = Table(
    "run_log",
    metadata,
    _run(),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _workspace(),
    Column("at", Double, nullable=False),
    Column("level", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("partition_id", Text, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    _workspace(),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False, unique=True),  # what a person may see, and what finds the row
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of a key of 256 random bits
    Column("scopes", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("last_used_at", Double),
    UniqueConstraint("workspace_id", "name"),
)

audit_event = Table(
    "audit_event",
    metadata,
    Column("id", Text, primary_key=True),
    _workspace(),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Index(None, "workspace_id", "at"),
)

gateway = Table(
    "gateway",
    metadata,
    Column("id", Text, primary_key=True),  # one start of a process
    _workspace(),
    Column("name", Text, nullable=False),  # the place that it fills: a pod's name, a machine's
    Column("started_at", Double, nullable=False),
    Column("lease", Double, nullable=False),
)

leader = Table(
    "leader",
    metadata,
    Column("office", Text, primary_key=True),
    _workspace(),
    Column("gateway_id", Text, nullable=False),
    Column("lease", Double, nullable=False),
)

now = func.epoch_now(type_=Double)
"""The database's clock."""
