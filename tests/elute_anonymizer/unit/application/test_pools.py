import hashlib
from importlib.resources import files

import pyarrow.compute as pc
import pytest

from elute_anonymizer.application.pools import VERSION, pool

# A changed line changes pseudonyms that are already out: make a new version instead.
PINNED = {
    "NOTICE.txt": "e446a2e0b8c9b96c11e357df93367a55793feda15b2ec178727b75a5ae515095",
    "cities.txt": "2f03938d5fac4ba6ee2b11719e95410ee558b8bfc5b36a33beaee281b70a71c8",
    "company_suffixes.txt": "0d7e24884397635970a2cce818b9a225dfe12a7f61bf1b7d99c2ed6ae3843e1c",
    "countries.txt": "cb425fe2ea91a7eabca7ed1fd8aa6e6ea7942f6a831ebbc2b1bea71d8017ca3a",
    "first_names.txt": "0bac658be161ad224c340ee926cb3de7fb58cd6ed59947951a5c1369fb435517",
    "last_names.txt": "d146684a1687d50926119c7077110bdeb21dc682de2beafcf017ee01494f19b9",
    "streets.txt": "76b539a80a705f9cc8346e2f8e0c98759de78cbb384822b79433755ba1bea44e",
}


def test_published_pools_never_change() -> None:
    folder = files("elute_anonymizer") / "pools" / VERSION
    found = {entry.name: hashlib.sha256(entry.read_bytes()).hexdigest() for entry in folder.iterdir()}
    assert found == PINNED


@pytest.mark.parametrize(
    ("name", "size"), [("first_names", 4096), ("last_names", 8192), ("streets", 4096), ("cities", 4096)]
)
def test_pools_hold_as_many_distinct_words_as_draws_count_on(name: str, size: int) -> None:
    assert pc.count_distinct(pool(name).words).as_py() == size


@pytest.mark.parametrize("name", ["first_names", "last_names"])
def test_names_are_distinct_in_the_letters_of_an_address(name: str) -> None:
    slugs = pool(name).slugs
    assert pc.count_distinct(slugs).as_py() == len(slugs)
    assert pc.all(pc.match_substring_regex(slugs, "^[a-z]{3,8}$")).as_py()
