"""The `elute` program against the whole system as `elute up` runs it, and a real source and target."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.postgresql import DEFAULT_VERSION, Database, PostgresFleet

PROGRAM = (sys.executable, "-m", "elute_gateway.cli")
SECRET = "canary-password"
SHOP = """
    CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL UNIQUE);
    INSERT INTO customers SELECT n, 'customer' || n || '@shop.example' FROM generate_series(1, 500) n;
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, total numeric(10,2));
    INSERT INTO orders SELECT n, 1 + n % 500, n FROM generate_series(1, 2000) n;
"""
PIPELINE = """\
version: 1
pipeline: shop-to-qa
source: {connection: shop, datasets: ["public.*"]}
target: {connection: shop-qa}
scrub:
  key_ring: main
  keep: ["*.*.id", "*.orders.*"]
  rules:
    - {columns: ["*.customers.email"], technique: {fake: {kind: email, form: unique}}}
"""


@dataclass
class System:
    """A running `elute up`, and the program beside it."""

    state: Path
    process: subprocess.Popen[str]
    source: Database
    target: Database

    def run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *arguments],
            env=self.environment,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "ELUTE_STATE": str(self.state)}

    def children(self) -> dict[str, int]:
        """The ids of the services' processes, by module."""
        found = {}
        for line in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            command = Path(f"/proc/{line}/cmdline").read_bytes().split(b"\0")
            found[command[-2].decode()] = int(line)
        return found


def settings(database: Database) -> list[str]:
    given = {
        "host": database.server.socket_directory,
        "port": database.server.port,
        "database": database.name,
        "user": "postgres",
        "sslmode": "disable",
    }
    return [word for name, value in given.items() for word in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgresFleet) -> Iterator[System]:
    state = tmp_path_factory.mktemp("state")
    with contextlib.ExitStack() as stack:
        source, target = (stack.enter_context(postgresql.database(DEFAULT_VERSION)) for _ in range(2))
        source.run(SHOP)
        process = subprocess.Popen([*PROGRAM, "up", "--state", str(state)], stdout=subprocess.PIPE, text=True)
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        first = process.stdout.readline()
        assert "/docs" in first, first
        opened = System(state, process, source, target)
        for name, database in (("shop", source), ("shop-qa", target)):
            answer = opened.run("connect", "add", name, *settings(database), "--password-stdin", given=f"{SECRET}\n")
            assert answer.returncode == 0, answer.stderr
            assert SECRET not in answer.stdout + answer.stderr
        yield opened
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not {"api.json", "metrics.json"} & {file.name for file in state.iterdir()}


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    file = tmp_path / "shop.yaml"
    file.write_text(PIPELINE)
    return file


def test_prometheus_finds_the_metrics_of_every_process(system: System) -> None:
    places = json.loads((system.state / "metrics.json").read_text())
    assert {place["labels"]["service"] for place in places} == {"gateway", "connector", "transform", "anonymizer"}
    for place in places:
        (target,) = place["targets"]
        with urllib.request.urlopen(f"http://{target}/metrics", timeout=5) as answer:
            assert b"process_cpu_seconds_total" in answer.read()


def test_connections_and_what_they_hold_are_listed(system: System) -> None:
    assert "shop-qa" in system.run("connect", "ls").stdout
    found = [json.loads(line) for line in system.run("discover", "shop", "--json").stdout.splitlines()]
    assert [one["name"] for one in found] == ["public.customers", "public.orders"]
    assert "18." in system.run("connect", "check", "shop", "--role", "target").stdout


def test_a_plan_shows_each_column_or_every_problem_with_its_line(system: System, pipeline: Path) -> None:
    good = system.run("plan", "-f", str(pipeline))
    assert good.returncode == 0, good.stderr
    assert any(line.split()[:2] == ["email", "fake"] for line in good.stdout.splitlines())
    assert f"{pipeline}:9" in good.stdout
    assert "public.customers.email" in system.run("plan", "-f", str(pipeline), "--wide").stdout
    pipeline.write_text(PIPELINE.replace('"*.orders.*"', '"*.nothing.*"').replace("*.customers.email", "*.x.y"))
    bad = system.run("plan", "-f", str(pipeline))
    assert bad.returncode == 1
    assert f"{pipeline}:7" in bad.stderr
    assert f"{pipeline}:9" in bad.stderr
    assert "uncovered-column" in bad.stderr
    assert "to mend" in bad.stderr


def test_a_run_ends_with_a_scrubbed_copy_and_tells_events_as_json_lines(system: System, pipeline: Path) -> None:
    answer = system.run("run", "-f", str(pipeline))
    assert answer.returncode == 0, answer.stderr
    *events, end = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert end["run"]["state"] == "succeeded"
    assert system.target.run("SELECT count(*) FROM customers") == "500"
    assert system.target.run("SELECT count(*) FROM customers WHERE email LIKE 'customer%@shop.example'") == "0"

    run = end["run"]["id"]
    assert run in system.run("runs", "ls").stdout
    shown = json.loads(system.run("runs", "show", run, "--json").stdout)
    assert {one["name"]: one["rows_written"] for one in shown["datasets"]} == {
        "public.customers": 500,
        "public.orders": 2000,
    }
    assert system.run("runs", "logs", run).returncode == 0
    refused = system.run("runs", "resume", run)
    assert refused.returncode == 1
    assert "succeeded" in refused.stderr


def test_saved_pipelines_are_listed_printed_and_deleted(system: System, pipeline: Path) -> None:
    text = PIPELINE.replace("shop-to-qa", "another")
    pipeline.write_text(text)
    assert system.run("plan", "-f", str(pipeline), "--accept").returncode == 0
    assert "another" in system.run("pipelines", "ls").stdout
    assert system.run("pipelines", "show", "another").stdout == text
    assert system.run("pipelines", "rm", "another").returncode == 0
    gone = system.run("pipelines", "show", "another")
    assert gone.returncode == 1
    assert "finding pipeline another: there is none" in gone.stderr


def test_a_killed_service_comes_back_and_commands_wait_for_it(system: System, pipeline: Path) -> None:
    before = system.children()
    for module in ("elute_anonymizer", "elute_gateway"):
        os.kill(before[module], signal.SIGKILL)
    answer = system.run("plan", "-f", str(pipeline))
    assert answer.returncode == 0, answer.stderr
    assert "waiting" in answer.stderr
    after = system.children()
    assert set(after) == set(before)
    assert after["elute_gateway"] != before["elute_gateway"]


def test_an_interrupted_run_is_cancelled_and_can_be_resumed(system: System, pipeline: Path) -> None:
    # A reader of the target keeps its table from being replaced: the run waits.
    blocker = subprocess.Popen(
        [str(system.target.server.programs / "psql"), "--no-psqlrc", "--quiet", "--dbname", system.target.dsn],
        stdin=subprocess.PIPE,
        text=True,
    )
    assert blocker.stdin is not None
    blocker.stdin.write("BEGIN; LOCK customers IN ACCESS SHARE MODE;\n")
    blocker.stdin.flush()
    time.sleep(0.5)
    running = subprocess.Popen(
        [*PROGRAM, "run", "-f", str(pipeline)],
        env=system.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    running.stdout.readline()
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=30)
    blocker.communicate("ROLLBACK;\n", timeout=10)
    assert running.returncode == 130, told
    newest = json.loads(system.run("runs", "ls", "--limit", "1", "--json").stdout)
    deadline = time.monotonic() + 20
    while newest["state"] != "cancelled" and time.monotonic() < deadline:
        time.sleep(0.2)
        newest = json.loads(system.run("runs", "ls", "--limit", "1", "--json").stdout)
    assert newest["state"] == "cancelled"
    resumed = system.run("runs", "resume", newest["id"])
    assert resumed.returncode == 0, resumed.stderr


def test_an_api_key_opens_what_it_is_for(system: System) -> None:
    made = system.run("api-keys", "create", "reader", "--scope", "runs:read")
    url = json.loads((system.state / "api.json").read_text())["url"]
    environment = {**os.environ, "ELUTE_URL": url, "ELUTE_API_KEY": made.stdout.strip()}
    reading = subprocess.run([*PROGRAM, "runs", "ls"], env=environment, capture_output=True, text=True, check=False)
    making = subprocess.run(
        [*PROGRAM, "connect", "rm", "shop"], env=environment, capture_output=True, text=True, check=False
    )
    assert (reading.returncode, making.returncode) == (0, 1)
    assert "connections:write" in making.stderr


def test_secrets_lie_in_files_of_their_owner_alone(system: System) -> None:
    for name in ("connector/sealing.pem", "anonymizer/ring.json", "gateway/api-key"):
        assert (system.state / name).stat().st_mode & 0o077 == 0
    for pid in system.children().values():
        assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    assert all(SECRET not in log.read_text() for log in (system.state / "log").iterdir())
