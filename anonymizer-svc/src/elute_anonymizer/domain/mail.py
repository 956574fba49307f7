"""The host of an e-mail address: what stands behind its last @."""

from __future__ import annotations

import string

import numpy as np

from elute_anonymizer.domain.columns import Bytes, Column, Offsets
from elute_anonymizer.domain.text import Strings, Text
from elute_wire.compiled import compiled

_AT = ord("@")
_IS_OF_HOST = np.isin(np.arange(256), list(f"{string.ascii_letters}{string.digits}.-".encode()))


def hosts(text: Text, longest: int, instead: str) -> Column:
    """Return the hosts of n addresses; NULL stays NULL and '' stays ''.

    Args:
        text: The addresses.
        longest: The most bytes of a host.
        instead: What stands for a host that is longer, has other characters than ASCII letters, digits, dots and
            hyphens, or is missing; ASCII.
    """
    other = np.frombuffer(instead.encode(), np.uint8)
    offsets = np.zeros(len(text) + 1, np.int32)
    data = np.empty(int(np.maximum(text.lengths, len(other)).sum()), np.uint8)
    end = _gather(text.strings, longest, other, offsets, data)
    return text.replaced(data[:end], offsets)


@compiled
def _gather(addresses: Strings, longest: int, instead: Bytes, offsets: Offsets, data: Bytes) -> int:
    """Copy the hosts of n addresses.

    Args:
        addresses: The addresses; one without content gets an empty host.
        longest: The most bytes of a host.
        instead: What stands for a host that cannot be taken.
        offsets: n + 1 positions, the first 0: gets where the hosts end.
        data: As long as all addresses, each counted as no shorter than `instead`: gets the hosts.

    Returns:
        Where the last host ends.
    """
    end = 0
    for row in range(len(offsets) - 1):
        first, stop = addresses.offsets[row], addresses.offsets[row + 1]
        start = stop
        while start > first and _IS_OF_HOST[addresses.data[start - 1]]:
            start -= 1
        if first < start < stop and stop - start <= longest and addresses.data[start - 1] == _AT:
            for place in range(start, stop):
                data[end] = addresses.data[place]
                end += 1
        elif first < stop:
            for byte in instead:
                data[end] = byte
                end += 1
        offsets[row + 1] = end
    return end
