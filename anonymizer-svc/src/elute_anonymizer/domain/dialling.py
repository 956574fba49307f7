"""What of a phone number says where it is dialled to: a country code, or the zero in front of a national number.

Source:
    ITU-T E.164 and its list of assigned country codes: zones 1 and 7 have one digit; the codes below have two; all
    others three.
"""

from __future__ import annotations

import numpy as np

from elute_anonymizer.domain.columns import Flags, Ints
from elute_anonymizer.domain.templates import Numerals, Template
from elute_anonymizer.domain.text import Strings, Text
from elute_wire.compiled import compiled

_TWO_DIGITS = (
    *(20, 27, 28, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58),
    *(60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 89, 90, 91, 92, 93, 94, 95, 98),
)

# By the first two digits.
_CODE_LENGTHS = np.full(100, 3, np.int64)
_CODE_LENGTHS[10:20] = _CODE_LENGTHS[70:80] = 1
_CODE_LENGTHS[list(_TWO_DIGITS)] = 2

_PLUS = ord("+")


def prefixes(text: Text, template: Template) -> tuple[Ints, Flags]:
    """Measure the prefixes of n phone numbers.

    Args:
        text: The numbers.
        template: Their digits.

    Returns:
        How many digits of each are its prefix: behind a leading `+` or `00` up to the country code, else a leading
        zero; and which numbers are national ones.
    """
    lengths, is_national = np.empty(len(text), np.int64), np.empty(len(text), np.bool_)
    _measure(text.strings, template.numerals, lengths, is_national)
    return lengths, is_national


@compiled
def _measure(strings: Strings, numerals: Numerals, lengths: Ints, is_national: Flags) -> None:
    """Measure the prefixes of n phone numbers.

    Args:
        strings: The numbers.
        numerals: Their digits.
        lengths: n numbers: gets how many digits are the prefix.
        is_national: n flags: gets which numbers are national ones.
    """
    digits = numerals.symbols
    for row in range(len(lengths)):
        here, start = strings.offsets[row], numerals.ends[row]
        count = numerals.ends[row + 1] - start
        has_plus = here < strings.offsets[row + 1] and strings.data[here] == _PLUS
        has_zeros = count > 1 and digits[start] == 0 and digits[start + 1] == 0
        is_national[row] = not has_plus and not has_zeros
        code = 0 if has_plus else 2
        if is_national[row]:
            lengths[row] = 1 if count > 0 and digits[start] == 0 else 0
        elif count < code + 2:
            lengths[row] = count
        else:
            lengths[row] = code + _CODE_LENGTHS[10 * digits[start + code] + digits[start + code + 1]]
