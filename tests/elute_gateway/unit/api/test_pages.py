"""Cursors lead through a list without loss, and only cursors of ours do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elute_gateway.api.pages import page_of, position
from elute_wire.errors import InvalidRequest

names = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True).map(sorted)


@given(names, st.integers(1, 5))
def test_pages_together_are_the_list(items: list[str], limit: int) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        after = position(cursor)
        found = [item for item in items if item > after][: limit + 1]
        page, cursor = page_of(found, limit, lambda item: item)
        seen += page
    assert seen == items


@pytest.mark.parametrize("cursor", ["*", "é", "abc", "_____w=="])
def test_a_cursor_that_no_page_gave_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        position(cursor)
