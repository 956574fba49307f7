import pytest

from elute_anonymizer.domain.graphemes import graphemes


@pytest.mark.parametrize(
    ("text", "clusters"),
    [
        ("", []),
        ("abc", ["a", "b", "c"]),
        ("e\u0301a", ["e\u0301", "a"]),
        ("👍🏽!", ["👍🏽", "!"]),
        ("👩‍👩‍👧x", ["👩‍👩‍👧", "x"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("\r\n\n", ["\r\n", "\n"]),
        ("한국", ["한", "국"]),
        ("\u1112\u1161\u11ab\u1100", ["\u1112\u1161\u11ab", "\u1100"]),
        ("\n\u0301", ["\n", "\u0301"]),
        ("❤️", ["❤️"]),
        ("नमस्ते", ["न", "म", "स्", "ते"]),
    ],
)
def test_text_splits_into_what_a_reader_sees(text: str, clusters: list[str]) -> None:
    assert graphemes(text) == clusters
