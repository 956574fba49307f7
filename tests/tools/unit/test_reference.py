"""Reference pages say what the definitions say, and a stale one is noticed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from tools.reference import render
from tools.reference.render import Entry, page, settle


class Config(BaseModel):
    """What is bent, and how far."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    names: list[str]
    """Which ones."""
    angle: Annotated[float, Field(gt=0, le=90)] = 45
    turns: Annotated[int, Field(ge=1)] | None = None
    way: Literal["left", "right"] = "left"
    is_kept: bool = Field(default=False, alias="keep")


ENTRY = Entry("bend", "Bends names.", "Bend.\n", Config, "- bend: {names: [x]}\n", {"Reversible": "no"}, "A book")


def test_a_page_lists_components_and_all_their_options() -> None:
    content = page("Techniques", "All of them.", [ENTRY], "make it")
    assert "| [`bend`](#bend) | Bends names. |" in content
    assert "```yaml\n- bend: {names: [x]}\n```" in content
    for line in (
        "What is bent, and how far.",
        "| `names` | list of text | required | Which ones. |",
        "| `angle` | number above 0 to 90 | `45` |  |",
        "| `turns` | integer from 1 or `null` | `null` |  |",
        "| `way` | `left`, `right` | `left` |  |",
        "| `keep` | `true`, `false` | `false` |  |",
        "- **Reversible**: no",
        "- **Source**: A book",
    ):
        assert line in content.splitlines()


def test_a_stale_page_is_found_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(render, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["render", "--check"])
    assert settle(Path("docs/page.md"), "new", "make it") == 1
    assert "run `make it`" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["render"])
    assert settle(Path("docs/page.md"), "new", "make it") == 0
    monkeypatch.setattr(sys, "argv", ["render", "--check"])
    assert settle(Path("docs/page.md"), "new", "make it") == 0
    assert settle(Path("docs/page.md"), "newer", "make it") == 1
    assert (tmp_path / "docs/page.md").read_text(encoding="utf-8") == "new"
