"""The pools that fakes are drawn from: files of one word per line, pinned for ever.

A pseudonym depends on a pool's lines and their order, so a published version never changes; `tools/make_pools.py`
writes a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pyarrow as pa

VERSION = "v1"


@dataclass(frozen=True, slots=True)
class Pool:
    """The words of one kind.

    Attributes:
        words: n strings, as a person writes them.
        slugs: The same words in the letters a to z, distinct, for addresses; only names have them.
    """

    words: pa.StringArray
    slugs: pa.StringArray


@cache
def pool(name: str) -> Pool:
    """Read a pool, once per process."""
    text = (files("elute_anonymizer") / "pools" / VERSION / f"{name}.txt").read_text(encoding="utf-8")
    pairs = [line.partition("\t") for line in text.splitlines()]
    return Pool(pa.array([word for word, _, _ in pairs]), pa.array([slug for _, _, slug in pairs]))
