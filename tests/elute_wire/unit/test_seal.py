"""A sealed secret opens for its recipient, for what it belongs to, and for nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from elute_wire.errors import InvalidRequest, SecretUnreadable
from elute_wire.seal import PublicKey, Sealed, SealingKeys, create_sealing_key

KEYS = SealingKeys(X25519PrivateKey.generate())
CANARY = b"jane.doe@example.com"


@given(st.binary(max_size=500), st.binary(max_size=50))
@settings(max_examples=50)
def test_what_is_sealed_opens_also_after_packing(plaintext: bytes, context: bytes) -> None:
    sealed = KEYS.public.seal(plaintext, context)
    assert KEYS.open(sealed, context) == plaintext
    assert Sealed.unpack(sealed.pack()) == sealed


def test_the_same_secret_never_looks_the_same() -> None:
    one, other = KEYS.public.seal(CANARY, b"c"), KEYS.public.seal(CANARY, b"c")
    assert one.ephemeral_public_key != other.ephemeral_public_key
    assert one.ciphertext != other.ciphertext
    assert CANARY not in one.pack()


def test_a_secret_opens_for_nothing_else() -> None:
    sealed = KEYS.public.seal(CANARY, b"connection-1")
    with pytest.raises(SecretUnreadable, match="belongs to something else"):
        KEYS.open(sealed, b"connection-2")


@pytest.mark.parametrize("place", range(8, 8 + 32 + 20 + 16))
def test_a_change_of_any_byte_is_noticed(place: int) -> None:
    packed = bytearray(KEYS.public.seal(CANARY, b"c").pack())
    packed[place] ^= 0x80
    with pytest.raises(SecretUnreadable) as caught:
        KEYS.open(Sealed.unpack(bytes(packed)), b"c")
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("length", [0, 7, 8, 39, 40, 55])
def test_a_secret_cut_short_does_not_open(length: int) -> None:
    with pytest.raises(SecretUnreadable):
        KEYS.open(Sealed.unpack(KEYS.public.seal(CANARY, b"c").pack()[:length]), b"c")


def test_a_point_of_low_order_is_refused() -> None:
    with pytest.raises(SecretUnreadable):
        KEYS.open(Sealed(KEYS.public.key_id, bytes(32), bytes(32)), b"c")


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SecretUnreadable, match="does not have"):
        SealingKeys(X25519PrivateKey.generate()).open(KEYS.public.seal(CANARY, b"c"), b"c")


def test_a_ring_opens_with_former_keys_and_seals_to_the_current_one() -> None:
    former, current = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    old = SealingKeys(former).public.seal(CANARY, b"c")
    ring = SealingKeys(current, [former])
    new = ring.reseal(old, b"c")
    assert new.key_id == ring.public.key_id != old.key_id
    assert SealingKeys(current).open(new, b"c") == CANARY
    assert repr(ring) == f"SealingKeys(current={ring.public.key_id}, 2 in all)"


def test_who_has_all_of_the_gateway_s_files_reads_no_secret(tmp_path: Path) -> None:
    """The gateway's state: the connectors' public key, and what it sealed."""
    connector, gateway = tmp_path / "connector", tmp_path / "gateway"
    connector.mkdir()
    gateway.mkdir()
    (gateway / "seal.pem").write_bytes(create_sealing_key(connector / "seal.key").pem())
    public = PublicKey.read(gateway / "seal.pem")
    (gateway / "secret").write_bytes(public.seal(CANARY, b"c").pack())

    everything = [path.read_bytes() for path in gateway.iterdir()]
    assert not any(CANARY in content for content in everything)
    with pytest.raises(InvalidRequest, match="no readable PEM private key"):
        SealingKeys.read(_private(gateway / "seal.pem"))
    # The public key's bytes are no private key either.
    stolen = SealingKeys(
        X25519PrivateKey.from_private_bytes(public.raw), [X25519PrivateKey.from_private_bytes(bytes(32))]
    )
    sealed = Sealed.unpack((gateway / "secret").read_bytes())
    for key_id in (sealed.key_id, stolen.public.key_id):
        with pytest.raises(SecretUnreadable):
            stolen.open(Sealed(key_id, sealed.ephemeral_public_key, sealed.ciphertext), b"c")

    assert SealingKeys.read(connector / "seal.key").open(sealed, b"c") == CANARY


def test_keys_come_back_from_their_files(tmp_path: Path) -> None:
    first, second = create_sealing_key(tmp_path / "1.key"), create_sealing_key(tmp_path / "2.key")
    ring = SealingKeys.read(tmp_path / "2.key", [tmp_path / "1.key"])
    assert ring.public == second
    assert ring.open(first.seal(CANARY, b"c"), b"c") == CANARY
    assert len(second.key_id) == 16
    with pytest.raises(InvalidRequest, match="File exists"):
        create_sealing_key(tmp_path / "1.key")


def test_files_that_hold_no_such_key_are_refused(tmp_path: Path) -> None:
    ed25519 = Ed25519PrivateKey.generate()
    private = ed25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = ed25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, content in (("private", private), ("public", public), ("text", b"CANARY")):
        (tmp_path / name).write_bytes(content)
        _private(tmp_path / name)
    for name in ("absent", "text"):
        with pytest.raises(InvalidRequest, match="no readable PEM") as caught:
            PublicKey.read(tmp_path / name)
        assert "CANARY" not in str(caught.value)
    with pytest.raises(InvalidRequest, match="not an X25519 key"):
        PublicKey.read(tmp_path / "public")
    with pytest.raises(InvalidRequest, match="not an X25519 key"):
        SealingKeys.read(tmp_path / "private")
    with pytest.raises(InvalidRequest, match="31 bytes"):
        PublicKey(bytes(31))


def test_a_private_key_open_to_others_is_refused(tmp_path: Path) -> None:
    create_sealing_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(InvalidRequest, match="too open"):
        SealingKeys.read(tmp_path / "key")


def _private(path: Path) -> Path:
    path.chmod(0o600)
    return path
