import re
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from elute_anonymizer.application.pools import pool
from elute_anonymizer.domain.technique import ColumnFacts
from elute_anonymizer.techniques.fake import DEFINITION, Config, Kind
from elute_wire.schema import LogicalType
from tests.support.scrubbing import scrub

MANY = pa.array([f"value {number}" for number in range(50_000)])
FORMS = {
    "first_name": r"[^\d]{2,10}",
    "full_name": r"\S.* \S.*",
    "street": r"[1-9]\d{0,2} .+",
    "address": r"[1-9]\d{0,2} .+, [1-9]\d{4} .+",
    "postcode": r"[1-9]\d{4}",
    "phone": r"\+1[2-9][0-8]\d55501\d\d",
    "user_name": r"[a-z]{3,8}\.[a-z]{3,8}\.[a-z2-9]{20}",
    "email": r"[a-z]{3,8}\.[a-z]{3,8}\.[a-z2-9]{20}@example\.com",
}


@pytest.mark.parametrize("kind", FORMS)
def test_an_invented_value_looks_like_its_kind(kind: str) -> None:
    for value in scrub("fake", {"kind": kind}, MANY.slice(0, 300)).to_pylist():
        assert re.fullmatch(FORMS[kind], value)


@pytest.mark.parametrize("kind", ["first_name", "last_name", "city", "country"])
def test_draws_use_the_whole_pool_evenly(kind: str) -> None:
    drawn = scrub("fake", {"kind": kind}, MANY)
    names = {"first_name": "first_names", "last_name": "last_names", "city": "cities", "country": "countries"}
    size = len(pool(names[kind]).words)
    counts = [count.as_py() for count in pc.value_counts(drawn).field("counts")]
    assert len(counts) > 0.99 * size
    assert max(counts) < 50_000 / size * 2 + 20


@pytest.mark.parametrize("kind", get_args(Kind))
def test_no_output_is_longer_than_the_verdict_says(kind: str) -> None:
    config = Config.model_validate({"kind": kind})
    longest = DEFINITION.judge(config, ColumnFacts("c", "text", LogicalType.TEXT)).longest
    assert longest is not None
    assert pc.max(pc.utf8_length(scrub("fake", {"kind": kind}, MANY))).as_py() <= longest


def test_the_longest_words_of_the_pools_are_those_of_the_verdict() -> None:
    longest = {
        name: pc.max(pc.utf8_length(pool(name).words)).as_py()
        for name in ("first_names", "last_names", "cities", "countries", "streets", "company_suffixes")
    }
    slugs = {pc.max(pc.utf8_length(pool(name).slugs)).as_py() for name in ("first_names", "last_names")}
    assert longest["first_names"] <= 10
    assert longest["last_names"] <= 11
    assert longest["company_suffixes"] <= 8
    assert longest["streets"] + len("999 ") <= 24
    assert longest["cities"] <= 24
    assert longest["countries"] <= 24
    assert slugs == {8}


def test_an_address_of_the_unique_form_fits_fifty_characters() -> None:
    verdict = DEFINITION.judge(Config.model_validate({"kind": "email"}), ColumnFacts("c", "text", LogicalType.TEXT))
    assert verdict.longest == 50


def test_a_kept_host_is_the_one_behind_the_last_at_and_only_if_it_is_one() -> None:
    values = ["a@b.example", "a@b@c.example", "none", "a@", "a@b c", "a@ü.example", "a@" + "h" * 300]
    scrubbed = scrub("fake", {"kind": "email", "mail_host": "keep"}, pa.array([*values, None, ""])).to_pylist()
    hosts = [address.partition("@")[2] for address in scrubbed[:-2]]
    assert hosts == ["b.example", "c.example", *["example.com"] * 5]
    assert scrubbed[-2:] == [None, ""]


def test_the_same_host_gets_the_same_alias_and_no_host_shows() -> None:
    values = pa.array(["a@acme.example.org", "b@ACME.example.org", "c@other.example.org"])
    first, second, third = (
        address.partition("@")[2]
        for address in scrub("fake", {"kind": "email", "mail_host": "alias"}, values).to_pylist()
    )
    assert first == second != third
    assert re.fullmatch(r"[a-z2-9]{12}\.example", first)


def test_equal_values_get_equal_names_and_other_domains_other_names() -> None:
    values = pa.array(["Anna", "Anna", "Bob"])
    one = scrub("fake", {"kind": "user_name"}, values, domain="customer").to_pylist()
    other = scrub("fake", {"kind": "user_name"}, values, domain="employee").to_pylist()
    assert one[0] == one[1] != one[2]
    assert not set(one) & set(other)


@pytest.mark.parametrize(
    "options",
    [{"kind": "city", "mail_host": "keep"}, {"kind": "city", "form": "natural"}, {"kind": "user_name", "longest": 60}],
)
def test_options_of_another_kind_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"go(es)? with"):
        Config.model_validate(options)
