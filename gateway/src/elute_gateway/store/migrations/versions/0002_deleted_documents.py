"""Pipelines and policies that were deleted, and that runs still tell of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_RUN = sa.table("run", sa.column("pipeline_id"), sa.column("policy_id"))
_DOCUMENTS = [sa.table(name, sa.column("id"), sa.column("former_name")) for name in ("pipeline", "policy")]


def upgrade() -> None:
    """Give documents a former name."""
    for document in _DOCUMENTS:
        op.add_column(document.name, sa.Column("former_name", sa.Text()))


def downgrade() -> None:
    """Forget the deleted documents, and the runs that told of them."""
    for document in _DOCUMENTS:
        deleted = sa.select(document.c.id).where(document.c.former_name.is_not(None))
        op.execute(sa.delete(_RUN).where(_RUN.c[f"{document.name}_id"].in_(deleted)))
    for document in _DOCUMENTS:
        op.execute(sa.delete(document).where(document.c.former_name.is_not(None)))
        op.drop_column(document.name, "former_name")
