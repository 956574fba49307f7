"""A target's preparation and finish are interrupted, at every place, and go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.target import create, fence, keep
from elute_connector.connectors.postgresql.target.relations import Relation
from elute_connector.domain.target import Structure
from elute_wire.errors import EluteError, FenceLost, InvalidRequest
from tests.elute_connector.integration.target.conftest import Opener
from tests.elute_connector.integration.target.runs import Run, notes, schema_of
from tests.elute_connector.integration.target.test_create import RICH
from tests.elute_connector.integration.target.test_create import TABLES as RICH_TABLES
from tests.elute_connector.integration.target.test_keep import ROWS, SCHEMA, TABLES, TRIGGERS, keys_of, triggers_of
from tests.support.postgresql import Database


def kill_sessions(database: Database) -> None:
    database.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.fixture
def kept(source: Database, target: Database, open_session: Opener) -> Run:
    source.run(SCHEMA + ROWS)
    target.run(SCHEMA + ROWS + TRIGGERS)
    return Run(source, target, open_session, TABLES, structure=Structure.KEEP)


@pytest.fixture
def created(source: Database, target: Database, open_session: Opener) -> Run:
    source.run(RICH)
    return Run(source, target, open_session, RICH_TABLES)


async def test_a_crash_while_foreign_keys_are_dropped_leaves_the_target_as_it_was(
    kept: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = schema_of(kept.target), keys_of(kept.target), triggers_of(kept.target)
    truncate = keep.truncate

    async def killed(connection: Connection, chosen: Sequence[Relation], *, before: Sequence[str] = ()) -> None:
        await truncate(connection, chosen, before=before)
        kill_sessions(kept.target)

    with monkeypatch.context() as patch:
        patch.setattr(keep, "truncate", killed)
        with pytest.raises(EluteError):
            await kept.prepare()
    assert (schema_of(kept.target), keys_of(kept.target), triggers_of(kept.target)) == before
    assert kept.target.run("SELECT count(*) FROM customers") == "30"
    await kept.whole()
    assert (keys_of(kept.target), triggers_of(kept.target)) == before[1:]


@pytest.fixture
def few_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server seem to have locks for a few tables only, so that a preparation takes several transactions."""

    async def few(_: Connection) -> int:
        return 12

    monkeypatch.setattr(create, "lock_budget", few)
    monkeypatch.setattr(keep, "lock_budget", few)


class Interrupted(Exception):
    """Stands for a connector that dies."""


def dying_after(calls: int, function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    left = iter(range(calls))

    async def wrapped(*arguments: Any, **named: Any) -> None:
        if next(left, None) is None:
            raise Interrupted
        await function(*arguments, **named)

    return wrapped


@pytest.mark.parametrize("calls", [1, 3])
@pytest.mark.usefixtures("few_locks")
async def test_a_target_made_in_several_transactions_is_begun_again_after_a_crash(
    created: Run, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    created.target.run(RICH)
    with monkeypatch.context() as patch:
        patch.setattr(create, "_replace", dying_after(calls, create._replace))
        with pytest.raises(EluteError):
            await created.prepare()
    assert created.target.run("SELECT state FROM elute.run") == "preparing"
    with pytest.raises(InvalidRequest, match="not prepared"):
        await created.finish()
    await created.whole()
    assert schema_of(created.target) == schema_of(created.source)


@pytest.mark.parametrize("calls", [1, 3])
@pytest.mark.usefixtures("few_locks")
async def test_tables_emptied_in_several_transactions_get_their_keys_back_after_a_crash(
    kept: Run, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, triggers = keys_of(kept.target), triggers_of(kept.target)
    for then, whole in ((kept.whole, True), (kept.repair, False)):
        with monkeypatch.context() as patch:
            patch.setattr(keep, "_empty", dying_after(calls, keep._empty))
            with pytest.raises(EluteError):
                await kept.prepare()
        told = {note.dataset for note in notes(await then()) if note.code == "incomplete"}
        assert told == (set() if whole else {str(name) for name in TABLES})
        assert triggers_of(kept.target) == triggers
        assert [line.split("|")[:2] for line in keys_of(kept.target).splitlines()] == [
            line.split("|")[:2] for line in keys.splitlines()
        ]


async def test_a_finish_that_is_cut_off_after_every_event_goes_on_and_does_nothing_twice(created: Run) -> None:
    await created.prepare()
    await created.load()
    seen: set[str] = set()
    while "done" not in seen:
        cut = await created.finish(until=lambda event: event.phase not in seen)
        seen.add(cut[-1].phase)
        kill_sessions(created.target)
    assert schema_of(created.target) == schema_of(created.source)
    assert len(seen) > 8


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.1])
async def test_a_finish_whose_sessions_are_killed_at_any_moment_goes_on(created: Run, delay: float) -> None:
    await created.prepare()
    await created.load()
    finishing = asyncio.create_task(created.finish())
    await asyncio.sleep(delay)
    kill_sessions(created.target)
    await asyncio.gather(finishing, return_exceptions=True)
    await created.finish()
    assert schema_of(created.target) == schema_of(created.source)
    unchecked = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"
    assert created.target.run(unchecked) == created.source.run(unchecked)


async def test_two_finishers_at_once_do_nothing_twice(created: Run) -> None:
    await created.prepare()
    await created.load()
    outcomes = await asyncio.gather(created.finish(), created.finish(), return_exceptions=True)
    assert any(not isinstance(outcome, BaseException) for outcome in outcomes)
    await created.finish()
    assert schema_of(created.target) == schema_of(created.source)


async def test_repair_brings_keys_and_triggers_back_and_tells_what_is_incomplete(kept: Run) -> None:
    keys, triggers = keys_of(kept.target), triggers_of(kept.target)
    await kept.prepare()
    await kept.load(TABLES[0], TABLES[1])
    told = notes(await kept.repair())
    assert {note.dataset for note in told if note.code == "incomplete"} == {"public.parts", "public.parent"}
    assert (keys_of(kept.target), triggers_of(kept.target)) == (keys, triggers)
    assert kept.target.run("SELECT to_regnamespace('elute')") == ""


async def test_repair_leaves_a_contradicted_key_not_valid_and_says_so(kept: Run) -> None:
    await kept.prepare()
    await kept.load(TABLES[1])
    told = notes(await kept.repair())
    assert [
        "buyer" in note.message and "NOT VALID" in note.message for note in told if note.code == "not-restored"
    ] == [True]
    assert kept.target.run("SELECT convalidated FROM pg_constraint WHERE conname = 'buyer'") == "f"


async def test_repair_of_a_made_target_makes_what_its_rows_allow(created: Run) -> None:
    await created.prepare()
    await created.load(*(name for name in RICH_TABLES if name.name != "events"))
    told = notes(await created.repair())
    assert [note.code for note in told if "seen_event" in note.message] == ["not-restored"]
    assert (
        created.target.run(
            "SELECT convalidated FROM pg_constraint WHERE conname LIKE 'seen_event%' AND conparentid = 0"
        )
        == "f"
    )
    assert (
        created.target.run(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND conrelid = 'shop.customers'::regclass"
        )
        == "1"
    )
    assert not notes(await created.repair())[0].message.endswith("is incomplete")


async def test_a_loader_that_wakes_up_after_the_repair_writes_nothing(kept: Run, open_session: Opener) -> None:
    await kept.prepare()
    zombie = await open_session(kept.target)
    await fence.claim(zombie, fence.fence_of(kept.run_id), "p-public.orders", 1)
    await kept.repair()
    late = await open_session(kept.target)
    with pytest.raises(FenceLost):
        await fence.lock(late, fence.fence_of(kept.run_id), "p-public.orders", 1)
    assert zombie.is_closed()
