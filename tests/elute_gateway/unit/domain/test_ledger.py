from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elute_gateway.domain.ledger import Unit, UnitResult, partitions_of, require_balance, starting_again
from elute_gateway.domain.names import DatasetName
from elute_wire.errors import InternalFault

MEBIBYTE = 1024 * 1024
NAMES = [DatasetName("public", name) for name in "abcdefgh"]
SIZES = st.lists(st.integers(0, 100 * MEBIBYTE), max_size=40)


@given(SIZES)
def test_each_slice_is_in_exactly_one_partition_and_small_ones_share(sizes: list[int]) -> None:
    units = [Unit(NAMES[number % 8], b"%d" % number, 1, size) for number, size in enumerate(sizes)]
    partitions = partitions_of(units, 2, 64 * MEBIBYTE)
    spread = [unit for partition in partitions for unit in partition.units]
    assert sorted(spread, key=lambda unit: int(unit.slice)) == units
    assert len({partition.id for partition in partitions}) == len(partitions)
    for partition in partitions:
        assert len(partition.units) == 1 or partition.estimated_bytes <= 64 * MEBIBYTE
    sizes_in_order = [partition.units[0].estimated_bytes for partition in partitions]
    assert sizes_in_order == sorted(sizes_in_order, reverse=True), "the largest begin first"


def test_a_thousand_tiny_tables_are_work_for_several_workers() -> None:
    units = [Unit(DatasetName("public", f"t{number}"), b"", 10, 8192) for number in range(1000)]
    partitions = partitions_of(units, 1, 64 * MEBIBYTE)
    assert 4 <= len(partitions) <= 20


def test_what_starts_again_is_what_keys_or_a_shared_partition_tie_together() -> None:
    a, b, c, d, e, f, g, h = NAMES
    references = {a: [b], c: [b], d: [d], e: [], f: [e], g: [], h: []}
    partitions = [[a], [b], [c], [d], [e], [f, g], [h]]
    assert starting_again([a], references, partitions) == {a, b, c}, "in both directions of a key"
    assert starting_again([g], references, partitions) == {e, f, g}, "through a shared partition, then a key"
    assert starting_again([d], references, partitions) == {d}
    assert starting_again([], references, partitions) == frozenset()


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7))), st.sets(st.integers(0, 7)))
def test_no_key_leads_from_what_starts_again_to_what_does_not(links: list[tuple[int, int]], open_: set[int]) -> None:
    references: dict[DatasetName, list[DatasetName]] = {name: [] for name in NAMES}
    for one, other in links:
        references[NAMES[one]].append(NAMES[other])
    again = starting_again([NAMES[place] for place in open_], references, [])
    assert {NAMES[place] for place in open_} <= again
    for name, targets in references.items():
        for target in targets:
            assert (name in again) == (target in again)
    if not open_:
        assert not again


@pytest.mark.parametrize(("written", "filtered", "rejected"), [(9, 0, 0), (11, 0, 0), (9, 1, 1)])
def test_rows_that_do_not_add_up_are_named_with_their_numbers(written: int, filtered: int, rejected: int) -> None:
    unit = UnitResult(NAMES[0], 10, written, filtered, rejected, 0, b"", {})
    with pytest.raises(InternalFault, match=r"public\.a: 10 read"):
        require_balance("p1", [unit])


def test_rows_that_add_up_pass() -> None:
    require_balance("p1", [UnitResult(NAMES[0], 10, 7, 2, 1, 0, b"", {})])
