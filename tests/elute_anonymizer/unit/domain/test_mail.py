import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from elute_anonymizer.domain.mail import hosts
from elute_anonymizer.domain.text import Text
from tests.support.interpreting import interpreted_loops

VALUES = ["a@b.example", "a@b@C-1.example", "@b", "none", "a@", "a@b c", "a@ü.example", "a@12345678901", "", None]


def test_a_host_is_what_stands_behind_the_last_at_if_it_is_one_and_fits() -> None:
    found = hosts(Text.of(pa.array(VALUES)), 11, "instead")
    assert found.to_pylist() == ["b.example", "C-1.example", "b", *["instead"] * 4, "12345678901", "", None]
    assert hosts(Text.of(pa.array(["a@12345678901"])), 10, "instead").to_pylist() == ["instead"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.text("a1.-@ é", max_size=12), max_size=8), st.integers(0, 8))
def test_the_compiled_loop_does_what_its_source_says(values: list[str | None], longest: int) -> None:
    text = Text.of(pa.array(values, pa.string()))
    found = hosts(text, longest, "x")
    found.validate(full=True)
    with interpreted_loops("elute_anonymizer"):
        assert hosts(text, longest, "x").to_pylist() == found.to_pylist()
