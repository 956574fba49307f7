"""Foreign keys and scrubbing: both ends of one must get the same pseudonyms.

A column without rule or keep that refers to a scrubbed one takes over its rule and domain, through chains and
cycles; one with the same technique and no domain of its own takes the domain. A kept target is never inherited:
what leaves as it is must be named.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from elute_gateway.domain.assignment import Assignment, default_domain, same_technique
from elute_gateway.domain.names import ColumnName
from elute_gateway.domain.problems import Kind
from elute_gateway.domain.stream import Stream
from elute_wire.errors import Problem


@dataclass(frozen=True, slots=True)
class Reference:
    """One pair of columns of a foreign key."""

    key: str
    column: ColumnName
    target: ColumnName


def references(streams: Collection[Stream]) -> list[Reference]:
    """Find the pairs of columns whose both ends are on their way."""
    present = {
        ColumnName(stream.dataset.name, field.origin): ColumnName(stream.dataset.name, field.name)
        for stream in streams
        for field in stream.fields
    }
    pairs = (
        (key.name, ColumnName(stream.dataset.name, column), ColumnName(key.target, target))
        for stream in streams
        for key in stream.dataset.foreign_keys
        for column, target in zip(key.columns, key.target_columns, strict=True)
    )
    return [
        Reference(name, present[column], present[target])
        for name, column, target in pairs
        if column in present and target in present
    ]


def settle(own: Mapping[ColumnName, Assignment], pairs: list[Reference]) -> dict[ColumnName, Assignment]:
    """Give every rule a domain, and foreign keys without a treatment their target's rule.

    Args:
        own: What patterns say, without default domains.
        pairs: The foreign keys.

    Returns:
        The assignments of all columns that have one in the end.
    """
    referrers: dict[ColumnName, list[ColumnName]] = defaultdict(list)
    following: set[ColumnName] = set()
    for pair in pairs:
        referrers[pair.target].append(pair.column)
        if _follows(own.get(pair.column), own.get(pair.target)) and pair.column != pair.target:
            following.add(pair.column)
    settled = {column: found for column, found in own.items() if found.rule is None}
    ruled = sorted(column for column, found in own.items() if found.rule is not None)
    # Those that follow nobody first; what is left over then are cycles, which any member may begin.
    for start in sorted(ruled, key=lambda column: column in following):
        if start not in settled:
            settled[start] = _with_default(own[start])
            _spread(start, own, referrers, settled)
    return settled


def _follows(referring: Assignment | None, target: Assignment | None) -> bool:
    if referring is None or target is None or referring.rule is None or target.rule is None:
        return False
    return not referring.rule.domain and same_technique(referring.rule, target.rule)


def _with_default(found: Assignment) -> Assignment:
    rule = found.rule
    return Assignment(rule, rule.domain or default_domain(rule), found.pointer) if rule else found


def _spread(
    start: ColumnName,
    own: Mapping[ColumnName, Assignment],
    referrers: Mapping[ColumnName, list[ColumnName]],
    settled: dict[ColumnName, Assignment],
) -> None:
    waiting = deque([start])
    while waiting:
        target = waiting.popleft()
        given = settled[target]
        for column in referrers.get(target, ()):
            mine = own.get(column)
            if column in settled:
                continue
            if mine is None:
                settled[column] = Assignment(given.rule, given.domain, given.pointer, given.inherited or target)
            elif _follows(mine, given):
                settled[column] = Assignment(mine.rule, given.domain, mine.pointer)
            else:
                continue
            waiting.append(column)


def divergences(
    settled: Mapping[ColumnName, Assignment], pairs: list[Reference], streams: Collection[Stream]
) -> Iterator[Problem]:
    """Find foreign keys that would no longer join."""
    types = {ColumnName(stream.dataset.name, field.name): field for stream in streams for field in stream.fields}
    for pair in pairs:
        one, other = settled.get(pair.column), settled.get(pair.target)
        if one is None or other is None or (one.rule is None and other.rule is None):
            continue
        if one.rule is not None and one.rule.technique == "null":
            # A foreign key that is NULL refers to nothing, so it cannot be violated.
            continue
        reason = _difference(one, other)
        if reason:
            yield Kind.FOREIGN_KEY_DIVERGES.problem(
                f"foreign key {pair.key} from {pair.column} to {pair.target} would not join: {reason}",
                hint="drop the rule or keep of the foreign key's column: it takes over its target's rule",
                pointer=one.pointer,
                dataset=pair.column.dataset,
                column=pair.column.column,
            )
        elif (
            types[pair.column].logical is not types[pair.target].logical
            and one.rule is not None
            and pair.key not in one.rule.trusts
        ):
            yield Kind.FOREIGN_KEY_TYPES.problem(
                f"foreign key {pair.key} scrubs {pair.column} ({types[pair.column].type}) "
                f"and {pair.target} ({types[pair.target].type}), whose types differ",
                hint="give the technique options that do not depend on the type, such as a range that both types hold, "
                f"and say so with `trusts: [{pair.key}]`",
                pointer=one.pointer,
                dataset=pair.column.dataset,
                column=pair.column.column,
            )


def _difference(one: Assignment, other: Assignment) -> str:
    if one.rule is None:
        return "the foreign key is kept, its target is scrubbed"
    if other.rule is None:
        return "the foreign key is scrubbed, its target is kept"
    if not same_technique(one.rule, other.rule):
        return "their techniques or options differ"
    if one.domain != other.domain:
        return f"their domains differ, {one.domain!r} and {other.domain!r}"
    if one.rule.subject:
        return "its pseudonyms depend on the subject of each row"
    return ""
