"""A plan fits a terminal, tells what happens to each column, and hides nothing that matters."""

from __future__ import annotations

from typing import Any

import pytest

from elute_gateway.cli.plan_table import show_plan, show_wide_plan

FACTS = ["empty", "equality", "format", "intervals", "length", "nulls", "order", "part", "value"]


def column(name: str, technique: str = "keep", keeps: list[str] | None = None, **more: Any) -> dict[str, Any]:
    kept = FACTS if technique == "keep" else keeps or []
    return {
        "name": name,
        "type": "text",
        "treatment": "keep" if technique == "keep" else "/scrub/rules/0",
        "line": None if technique == "keep" else 12,
        "technique": technique,
        "domain": None,
        "inherited_from": None,
        "summary": f"Does what {technique} does.",
        "keeps": kept,
        "loses": [fact for fact in FACTS if fact not in kept],
        "uniqueness": "lossy",
        "cast": None,
        **more,
    }


def plan(*columns: dict[str, Any], **more: Any) -> dict[str, Any]:
    dataset = {"name": "public.people", "filter": None, "estimated_rows": 2000, "size_bytes": 9000}
    return {"datasets": [{**dataset, "columns": list(columns)}], "views": [], "changes": [], **more}


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def show(found: dict[str, Any], width: int = 100) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        show_plan(found, "shop.yaml")
        return capsys.readouterr().out.splitlines()

    return show


@pytest.mark.parametrize("width", [80, 100, 160])
def test_it_fits_the_terminal(shown: Any, width: int) -> None:
    kept = [column(f"a_rather_long_name_{number}") for number in range(40)]
    treated = column("email_address", "fake", FACTS[:7])
    foreign = column("owner_email", "fake", FACTS[:7], inherited_from="public.customers.email")
    lines = shown(plan(*kept, treated, foreign), width)
    assert max(map(len, lines)) <= width
    assert all(f"a_rather_long_name_{number}" in "".join(lines) for number in range(40))


def test_a_column_says_what_treats_it_and_what_it_keeps(shown: Any) -> None:
    lines = shown(plan(column("id"), column("email", "fake", ["equality", "nulls"])))
    (email,) = (line for line in lines if line.startswith("  email"))
    assert email.split() == ["email", "fake", "keeps", "equality,", "nulls", "shop.yaml:12"]
    assert "  kept: id" in lines
    assert any(line.split() == ["fake", "Does", "what", "fake", "does."] for line in lines)
    assert "What a column does not keep, it loses" in "".join(lines)


def test_who_takes_over_anothers_rule_says_whose(shown: Any) -> None:
    lines = shown(plan(column("owner", "fake", inherited_from="public.people.email")))
    assert any("keeps nothing" in line and line.endswith("as public.people.email") for line in lines)


def test_a_kept_column_that_the_target_converts_is_not_hidden_among_the_kept(shown: Any) -> None:
    lines = shown(plan(column("id"), column("price", cast="rounded to numeric(5,2)")))
    assert "  kept: id" in lines
    assert "(then rounded to numeric(5,2))" in " ".join(" ".join(lines).split())


def test_another_treatment_than_the_pinned_one_is_told(shown: Any) -> None:
    change = {"kind": "treatment-changed", "dataset": "public.people", "column": "email"}
    lines = shown(plan(column("email", "null"), changes=[{**change, "before": "token", "after": "null"}]))
    assert "changed since it was pinned: public.people.email: token is now null" in lines


def test_a_plan_without_datasets_shows_nothing(shown: Any) -> None:
    assert shown({"datasets": [], "views": [], "changes": []}) == []


def test_the_wide_table_has_everything_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_wide_plan(plan(column("id"), column("email", "fake", ["nulls"])), "shop.yaml")
    head, kept, email = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["COLUMN", "TYPE", "TECHNIQUE"]
    assert ", ".join(FACTS) in kept
    assert ", ".join(fact for fact in FACTS if fact != "nulls") in email
    assert email.endswith("shop.yaml:12")
