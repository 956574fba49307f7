from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from elute_gateway.embedded import postgresql as embedded
from elute_gateway.embedded.account import Account
from elute_gateway.embedded.postgresql import (
    LOOPBACK,
    SUPERUSER,
    PostgresServer,
    free_port,
    wheel_programs,
)
from elute_wire.errors import ServiceUnavailable
from tests.support.postgresql import Database, every_pair, every_version

_NOBODY = 65534


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder whose path is short enough for a socket and that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="elute-pg-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "home"


async def _ask(server: PostgresServer, host: str, password: str | None) -> object:
    connection = await asyncpg.connect(
        host=host, port=server.port, user=SUPERUSER, password=password, database="postgres"
    )
    try:
        return await connection.fetchval("SELECT 42")
    finally:
        await connection.close()


@every_version
async def test_a_fresh_database_answers_on_socket_and_loopback(database: Database, version: int) -> None:
    assert database.run("SELECT current_setting('server_version_num')::int / 10000") == str(version)
    for dsn in (database.dsn, database.loopback_dsn):
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT current_database()") == database.name
        await connection.close()


@every_pair
def test_source_and_target_are_two_databases(
    source: Database, target: Database, source_version: int, target_version: int
) -> None:
    assert source.dsn != target.dsn
    assert (source.version, target.version) == (source_version, target_version)


async def test_a_server_of_its_own_asks_for_its_password(home: Path) -> None:
    with PostgresServer(home, wheel_programs(), port=free_port()) as server:
        for host in (str(server.socket_directory), LOOPBACK):
            assert await _ask(server, host, server.password) == 42
            with pytest.raises(asyncpg.InvalidPasswordError):
                await _ask(server, host, "wrong")
        assert (home / "password").stat().st_mode & 0o777 == 0o600


async def test_without_a_port_it_listens_on_no_network(home: Path) -> None:
    with PostgresServer(home, wheel_programs()) as server:
        connection = await asyncpg.connect(
            host=str(server.socket_directory), port=server.port, user=SUPERUSER, password=server.password
        )
        assert await connection.fetchval("SHOW listen_addresses") == ""
        await connection.close()


async def test_data_outlives_a_kill_and_a_stop(own_server: PostgresServer) -> None:
    database = Database(own_server, "postgres", 18)
    database.run("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n; CHECKPOINT")
    own_server.kill()
    with pytest.raises(OSError, match=r"Errno|refused|No such file"):
        await database.connect()
    own_server.start()
    own_server.stop()
    own_server.start()
    assert database.run("SELECT count(*) FROM kept") == "1000"


def test_it_restarts_while_a_backend_of_the_killed_one_still_works(own_server: PostgresServer) -> None:
    database = Database(own_server, "postgres", 18)
    # A backend in a tight loop does not notice that its postmaster is gone until the loop ends.
    busy = "SELECT count(*) FROM generate_series(1, 20000000)"
    command = [str(own_server.programs / "psql"), "--no-psqlrc", "--dbname", database.dsn, "--command", busy]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%series(1, 20%'"
        while int(database.run(waiting)) < 2:
            assert client.poll() is None
        own_server.kill()
        own_server.start()
        assert database.run("SELECT 1") == "1"


def test_it_takes_over_from_the_server_of_a_killed_owner(own_server: PostgresServer) -> None:
    orphan = own_server.process_id
    heir = PostgresServer(own_server.home, own_server.programs, port=own_server.port)
    heir.start()
    try:
        assert heir.process_id not in {None, orphan}
        assert own_server.process_id is None
    finally:
        heir.stop()


def test_a_lock_file_with_the_number_of_another_program_is_forgotten(own_server: PostgresServer) -> None:
    own_server.kill()
    lock = own_server.data_directory / "postmaster.pid"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        lock.write_text("\n".join([str(innocent.pid), *lock.read_text().splitlines()[1:]]) + "\n")
        own_server.start()
        assert innocent.poll() is None
        innocent.kill()
    assert own_server.process_id is not None


def test_stopping_ends_a_server_that_ignores_the_first_signal(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_FAST_STOP_SECONDS", 0.1)
    monkeypatch.setattr(embedded, "_IMMEDIATE_STOP_SECONDS", 0.1)
    process_id = own_server.process_id
    assert process_id is not None
    os.kill(process_id, signal.SIGSTOP)
    own_server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    own_server.start()  # which also frees what the killed one left in shared memory


def test_a_home_too_long_for_a_socket_gets_a_private_one(home: Path) -> None:
    deep = home / ("long" * 30)
    with PostgresServer(deep, wheel_programs()) as server:
        folder = server.socket_directory
        assert (folder / f".s.PGSQL.{server.port}").is_socket()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert not folder.is_relative_to(deep)


def test_a_taken_port_is_an_error_that_says_where_to_look(own_server: PostgresServer, home: Path) -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        late = PostgresServer(home, own_server.programs, port=listener.getsockname()[1])
        late.initialize()
        with pytest.raises(ServiceUnavailable, match="it ended with 1") as caught:
            late.start()
        assert str(home / "server.log") in caught.value.hint


def test_an_unfinished_cluster_is_made_anew(home: Path) -> None:
    (home / "data.unfinished").mkdir(parents=True)
    (home / "data.unfinished" / "PG_VERSION").write_text("18\n")
    with PostgresServer(home, wheel_programs()) as server:
        assert server.process_id is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_without_user_namespaces_starts_it_as_nobody(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "unprivileged", lambda: Account(user_id=_NOBODY, group_id=_NOBODY))
    programs = wheel_programs()
    try:
        with PostgresServer(home, programs) as server:
            assert (server.data_directory / "PG_VERSION").stat().st_uid == _NOBODY
    except ServiceUnavailable as error:
        if "may not enter" not in str(error):
            raise
        pytest.skip(str(error))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_programs_out_of_the_reach_of_nobody_are_an_error_with_a_way_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "unprivileged", lambda: Account(user_id=_NOBODY, group_id=_NOBODY))
    locked = home.parent / "locked"
    locked.mkdir(mode=0o700)
    (locked / "initdb").touch(mode=0o755)
    with pytest.raises(ServiceUnavailable, match="may not enter") as caught:
        PostgresServer(home, locked).initialize()
    assert "ordinary user" in caught.value.hint


def test_a_version_that_no_wheel_has_is_named() -> None:
    with pytest.raises(ServiceUnavailable, match="PostgreSQL 17"):
        wheel_programs(17)
