"""Catalogs are compared by structure, and cycles of references are found."""

from __future__ import annotations

from dataclasses import replace

from elute_connector.domain.catalog import Catalog, Column, Dataset, DatasetKind, reference_cycles
from elute_connector.domain.constraint import ForeignKey, KeyKind, UniqueKey
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.datatype import DataType, TypeKind

INT = DataType(TypeKind.BASE, "pg_catalog", "int4", "integer", "integer")


def dataset(name: str, *targets: str) -> Dataset:
    keys = tuple(ForeignKey(f"to_{t}", ("a",), DatasetName("s", t), ("a",)) for t in targets)
    return Dataset(DatasetName("s", name), DatasetKind.TABLE, (Column("a", 1, INT),), foreign_keys=keys)


def catalog(*datasets: Dataset) -> Catalog:
    return Catalog(datasets, (), (), (), 180004, "UTF8")


def test_cycles_and_self_references_are_groups_and_chains_are_not() -> None:
    datasets = [dataset("a", "b"), dataset("b", "c"), dataset("c", "b"), dataset("d", "d", "a"), dataset("e", "gone")]
    cycles = reference_cycles(datasets)
    assert [[name.name for name in cycle] for cycle in cycles] == [["b", "c"], ["d"]]


def test_sizes_and_versions_do_not_count_for_the_fingerprint() -> None:
    table = dataset("t")
    grown = replace(table, rows=10, size_bytes=100, pages=1)
    assert grown.fingerprint == table.fingerprint
    assert grown == table
    assert replace(catalog(grown), server_version=150000).fingerprint == catalog(table).fingerprint
    assert replace(table, row_security=True).fingerprint != table.fingerprint
    assert replace(catalog(table), encoding="LATIN1").fingerprint != catalog(table).fingerprint


def test_a_dataset_is_found_by_its_whole_name() -> None:
    found = catalog(dataset("a"), dataset("b"), dataset("c"))
    assert found.dataset(DatasetName("s", "b")) == dataset("b")
    assert found.dataset(DatasetName("s", "bb")) is None
    assert found.dataset(DatasetName("t", "b")) is None
    assert str(DatasetName("s", "b")) == "s.b"


def test_the_primary_key_is_the_primary_one() -> None:
    keys = (UniqueKey("u", ("a",), KeyKind.CONSTRAINT), UniqueKey("p", ("a",), KeyKind.PRIMARY))
    assert replace(dataset("t"), keys=keys).primary_key == keys[1]
    assert dataset("t").primary_key is None
