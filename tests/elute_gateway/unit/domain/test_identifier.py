from __future__ import annotations

import time

from elute_gateway.domain.identifier import new_id


def test_a_later_id_sorts_after_an_earlier_one_and_is_plain() -> None:
    first = new_id()
    time.sleep(0.002)
    second = new_id()
    assert first < second
    assert len(first) == 26
    assert first.isalnum()
    assert first == first.lower()
