"""The command answers at once, and its exit codes say what happened."""

from __future__ import annotations

import subprocess
import sys

import pytest

from elute_gateway.cli.app import EXIT_MEANINGS, Exit

PROGRAM = (sys.executable, "-m", "elute_gateway.cli")
HEAVY = {"pydantic", "grpc", "httpx", "rich", "fastapi", "sqlalchemy", "asyncio", "yaml"}


@pytest.mark.parametrize("arguments", [("--help",), ("runs", "ls"), ("connect", "add", "--help")])
def test_a_command_imports_nothing_heavy_before_its_first_output(arguments: tuple[str, ...]) -> None:
    # Seconds say more about the machine; what is imported decides them.
    script = (
        "import sys; from elute_gateway.cli.app import main; main();"
        f"print('HEAVY', sorted({HEAVY!r} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={"ELUTE_STATE": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--help",), 0), (("runs", "ls"), 1), (("runs", "ls", "--limit", "0"), 2), (("nothing",), 2), (("plan",), 2)],
)
def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    environment = {"ELUTE_STATE": "/nonexistent"}
    answer = subprocess.run([*PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == code, answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    address = "postgresql://me:canary@db/shop"
    answer = subprocess.run(
        [*PROGRAM, "connect", "add", "shop", address], capture_output=True, text=True, check=False, input=""
    )
    assert answer.returncode == 1
    assert "canary" not in answer.stdout + answer.stderr


def test_every_exit_code_has_a_meaning() -> None:
    assert set(EXIT_MEANINGS) == set(Exit)
