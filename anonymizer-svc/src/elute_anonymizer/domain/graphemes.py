"""Split text into what a reader sees as single characters.

The rules of extended grapheme clusters that matter for hiding text: a base letter stays with its combining marks, an
emoji with its modifiers and joined parts, a flag is two letters, a Hangul syllable its jamo, and CR LF one. The rare
`Prepend` class is left out: there a cluster is split in two, which masks more precisely and never shows more.

Source:
    Unicode Standard Annex 29, rules GB3 to GB13.
"""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"
_HANGUL_CONTINUES = {
    "L": "LVST",  # a leading consonant goes on with anything
    "V": "VT",
    "S": "VT",  # a whole syllable, with or without its final consonant
    "T": "T",
}


def graphemes(text: str) -> list[str]:
    """Split a text into its grapheme clusters."""
    clusters: list[str] = []
    for character in text:
        if clusters and _continues(clusters[-1], character):
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters


def _continues(cluster: str, character: str) -> bool:
    last = cluster[-1]
    if last in "\r\n" or character in "\r\n":
        return last == "\r" and character == "\n"
    if unicodedata.category(character) in {"Mn", "Me", "Mc"} or character in {_JOINER, "\u200c"}:
        return True
    if "\U0001f3fb" <= character <= "\U0001f3ff":  # skin tones
        return True
    if last == _JOINER and unicodedata.category(character) == "So":
        return True
    if _is_flag_letter(character):
        return len(cluster) == 1 and _is_flag_letter(last)
    hangul = _hangul(character)
    return hangul != "" and hangul in _HANGUL_CONTINUES.get(_hangul(last), "")


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _hangul(character: str) -> str:
    for kind, first, last in (
        ("L", 0x1100, 0x115F),
        ("V", 0x1160, 0x11A7),
        ("T", 0x11A8, 0x11FF),
        ("S", 0xAC00, 0xD7A3),
    ):
        if first <= ord(character) <= last:
            return kind
    return ""
