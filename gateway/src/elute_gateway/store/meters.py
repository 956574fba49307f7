"""What Prometheus is told about the gateway's store."""

from __future__ import annotations

from sqlalchemy.pool import QueuePool

from elute_gateway.store.database import Database
from elute_wire import metrics

SESSIONS = metrics.gauge(
    "elute_store_sessions", "Sessions of the gateway's store: lent to a statement, or idle.", ("state",)
)


def watch(database: Database) -> None:
    """Show the sessions of a store, whenever somebody asks."""
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)  # noqa: S101  # what `Database.at` makes
    SESSIONS.labels("lent").set_function(pool.checkedout)
    SESSIONS.labels("idle").set_function(pool.checkedin)
