"""Bringing a store to the schema of this release, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from elute_gateway.store.database import Database

NEWEST = "head"
EMPTY = "base"

_LOCK = 0x656C757465  # "elute": two gateways that start at once must not both migrate


async def upgrade(database: Database, revision: str = NEWEST) -> None:
    """Migrate a store up to a revision; nothing happens if it is there already."""
    await _migrate(database, lambda config: command.upgrade(config, revision))


async def downgrade(database: Database, revision: str) -> None:
    """Migrate a store down to a revision; what only later ones hold is lost."""
    await _migrate(database, lambda config: command.downgrade(config, revision))


async def _migrate(database: Database, step: Callable[[Config], None]) -> None:
    def run(connection: sa.Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        step(config)

    async with database.writing() as connection:
        if not database.is_sqlite:
            await connection.execute(sa.text("SET LOCAL lock_timeout = 0"))  # another's migration takes what it takes
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        await connection.run_sync(run)
