from dataclasses import replace

import pytest

from elute_anonymizer.domain.keys import KeyRing, KeyVersion
from elute_wire.errors import KeyUnavailable
from tests.support.scrubbing import RING

BASE = ("email", "token", "{}")


def test_the_same_inputs_give_the_same_key_and_any_other_input_another() -> None:
    variants = [
        RING.domain_key(*BASE),
        RING.domain_key("mail", "token", "{}"),
        RING.domain_key("email", "fake", "{}"),
        RING.domain_key("email", "token", '{"digits": 40}'),
        RING.domain_key(*BASE, version=2),
        # Boundaries between the parts count.
        RING.domain_key("emailt", "oken", "{}"),
    ]
    assert len({key.secret for key in variants}) == len(variants)
    assert RING.domain_key(*BASE) == RING.domain_key(*BASE, version=1) == variants[0]


def test_the_derivation_is_pinned() -> None:
    assert RING.domain_key(*BASE).secret.hex() == "203f3386037e86bfee786afe002f209273d5ff113bb56a535f7d5c3b7ef4988c"
    assert (
        RING.domain_key(*BASE).derive("token").hex()
        == "34e2041dabfb22c0cee1cd87f9915e1fee5c4293b886de379405f791c5f21ee0"
    )


def test_an_old_version_stays_usable_after_rotation() -> None:
    rotated = replace(RING, current=2)
    assert rotated.domain_key(*BASE, version=1) == RING.domain_key(*BASE)
    assert rotated.domain_key(*BASE) != RING.domain_key(*BASE)


def test_a_missing_version_is_refused() -> None:
    with pytest.raises(KeyUnavailable, match="has no version 3"):
        RING.domain_key(*BASE, version=3)
    with pytest.raises(KeyUnavailable, match="current version 9 is missing"):
        replace(RING, current=9)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_secret_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(KeyUnavailable, match="instead of 32"):
        KeyVersion(bytes(size), RING.versions[1].created)


def test_no_representation_shows_a_key() -> None:
    key = RING.domain_key(*BASE)
    shown = f"{RING!r} {RING} {RING.versions[1]!r} {key!r} {key}"
    for secret in (RING.versions[1].secret, RING.versions[2].secret, key.secret):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown


def test_fingerprints_tell_versions_apart_and_are_no_part_of_the_key() -> None:
    first, second = (RING.versions[number] for number in (1, 2))
    assert first.fingerprint != second.fingerprint
    assert first.fingerprint not in first.secret.hex()
    assert KeyRing("other", {1: first}, 1).versions[1].fingerprint == first.fingerprint
