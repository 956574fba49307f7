"""Mask: show the first or last characters of a text and hide the rest.

Characters are what a reader sees as one (grapheme clusters), so no accent or emoji is cut apart. A text with no more
characters than would be shown is hidden whole. NULL stays NULL and '' stays ''.
"""

from __future__ import annotations

from typing import Self

import pyarrow as pa
from pydantic import Field, model_validator

from elute_anonymizer.application.options import Options
from elute_anonymizer.domain.columns import Column, pc
from elute_anonymizer.domain.graphemes import graphemes
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.technique import TEXTUAL, Cells, ColumnFacts, Definition, Kept, Uniqueness, Verdict
from elute_wire.schema import LogicalType

# What can make one character of several code points: marks, joiners, flags, skin tones, jamo, CR LF.
_JOINED = r"\p{M}|[\x{200C}\x{200D}\x{1F1E6}-\x{1F1FF}\x{1F3FB}-\x{1F3FF}\x{1100}-\x{11FF}]|\r\n"


class Config(Options):
    """What stays visible, and what hides the rest."""

    first: int = Field(0, ge=0, le=64)
    """How many characters at the start stay."""
    last: int = Field(0, ge=0, le=64)
    """How many at the end stay."""
    character: str = Field("*", alias="with", min_length=1, max_length=1, pattern=r"^[\x21-\x7e]$")
    """The character that hides another."""
    width: int | None = Field(None, ge=1, le=64)
    """Hides the length too: the hidden part is written with that many characters, however long it was."""

    @model_validator(mode="after")
    def _one_end_is_enough(self) -> Self:
        if self.first + self.last > 64:
            raise ValueError("first and last show at most 64 characters together")
        return self


class Mask:
    """Shows the ends of a text and hides the rest."""

    def __init__(self, config: Config, _logical: LogicalType, _key: DomainKey) -> None:
        self._config = config

    def apply(self, cells: Cells) -> Column:
        """Return the masked form of every text."""
        values = cells.values
        joined = pc.match_substring_regex(values, _JOINED)
        if not pc.any(joined, min_count=0).as_py():
            return self._by_codepoint(values)
        # Only texts with characters of several code points are cut one by one.
        rare = [self._one(text) for text in pc.filter(values, joined).to_pylist()]
        return pc.replace_with_mask(
            self._by_codepoint(values), pc.fill_null(joined, False), pa.array(rare, pa.string())
        )

    def _by_codepoint(self, values: Column) -> Column:
        first, last, width = self._config.first, self._config.last, self._config.width
        lengths = pc.utf8_length(values)
        shows = pc.greater(lengths, first + last)
        hidden = pc.subtract(lengths, pc.if_else(shows, first + last, 0))
        counts = hidden if width is None else pc.if_else(pc.greater(lengths, 0), width, 0)
        parts = [pc.binary_repeat(self._config.character, counts)]
        if first:
            parts.insert(0, pc.if_else(shows, pc.utf8_slice_codeunits(values, 0, first), ""))
        if last:
            parts.append(pc.if_else(shows, pc.utf8_slice_codeunits(values, -last, None), ""))
        return pc.binary_join_element_wise(*parts, "")

    def _one(self, text: str) -> str:
        config = self._config
        clusters = graphemes(text)
        shown = config.first + config.last
        if not clusters:
            return ""
        if len(clusters) <= shown:
            return config.character * (config.width or len(clusters))
        end = len(clusters) - config.last
        hidden = config.character * (config.width or end - config.first)
        return "".join(clusters[: config.first]) + hidden + "".join(clusters[end:])


def judge(config: Config, _column: ColumnFacts) -> Verdict:
    """The shown part stays, and the length unless a width hides it."""
    keeps = {Kept.NULLS, Kept.EMPTY}
    if config.first + config.last:
        keeps.add(Kept.PART)
    if config.width is None:
        keeps.add(Kept.LENGTH)
    # Without a width no text grows; with one a text of shown + 1 characters grows to shown + width.
    longest = None if config.width is None else config.first + config.last + config.width
    return Verdict(keeps=frozenset(keeps), uniqueness=Uniqueness.LOSSY, longest=longest)


DEFINITION = Definition(
    name="mask",
    effect="Shows the first or last characters of a text and hides the rest.",
    config=Config,
    accepts=TEXTUAL,
    judge=judge,
    build=Mask,
    example={"first": 1, "last": 2},
    source="ISO/IEC 20889:2018, masking; Unicode Standard Annex 29",
)
