"""An address is read once, and knows whether it leaves the machine."""

from pathlib import Path

import pytest

from elute_wire.address import Address


@pytest.mark.parametrize(
    ("text", "local", "target"),
    [
        ("unix:/run/elute/connector.sock", True, "unix:/run/elute/connector.sock"),
        ("127.0.0.1:7000", True, "127.0.0.1:7000"),
        ("127.8.9.1:7000", True, "127.8.9.1:7000"),
        ("[::1]:7000", True, "[::1]:7000"),
        ("localhost:7000", True, "dns:///localhost:7000"),
        ("0.0.0.0:7000", False, "0.0.0.0:7000"),
        ("[::]:7000", False, "[::]:7000"),
        ("10.0.0.7:7000", False, "10.0.0.7:7000"),
        ("elute-connector.elute.svc:7000", False, "dns:///elute-connector.elute.svc:7000"),
    ],
)
def test_an_address_knows_its_target_and_whether_it_is_local(text: str, local: bool, target: str) -> None:  # noqa: FBT001
    address = Address.parse(text)
    assert str(address) == text
    assert address.is_local is local
    assert address.target == target


def test_a_relative_socket_is_made_absolute() -> None:
    assert Address.parse("unix:a.sock") == Address(socket=Path.cwd() / "a.sock")


@pytest.mark.parametrize("text", ["", "qa", ":7000", "qa:", "qa:port", "qa:70000", "qa:-1", "unix:/" + "x" * 107])
def test_anything_else_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"unix:<path> or <host>:<port>|at most 107 bytes") as caught:
        Address.parse(text)
    assert not text or text not in str(caught.value)
