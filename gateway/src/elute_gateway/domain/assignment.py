"""Who treats a column: a rule in a domain, or nobody because it is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass

from elute_gateway.domain.names import ColumnName
from elute_gateway.domain.pipeline import Rule

KEEP = "keep"
"""The treatment of a column that is kept as it is; any other is the JSON pointer of a rule."""

_KIND_OPTIONS = ("kind", "format")
"""The options by which techniques say what kind of value they make."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who treats a column.

    Attributes:
        rule: The rule; None when the column is kept.
        domain: What its pseudonyms depend on beside key and value; empty when it is kept.
        pointer: The pattern that names the column.
        inherited: The column whose rule it takes over, being a foreign key to it without a rule of its own.
    """

    rule: Rule | None
    domain: str = ""
    pointer: str = ""
    inherited: ColumnName | None = None

    @property
    def treatment(self) -> str:
        """`keep`, or the pointer of the rule."""
        return self.rule.pointer if self.rule else KEEP


def default_domain(rule: Rule) -> str:
    """Return the domain of a rule that names none: the kind of value that its technique makes, else its technique.

    So all fake e-mail addresses join, and all tokens do. The word depends on nothing that may change from run to
    run: no position, no name of a table, no version.
    """
    options = json.loads(rule.config)
    return next((options[name] for name in _KIND_OPTIONS if isinstance(options.get(name), str)), rule.technique)


def same_technique(one: Rule, other: Rule) -> bool:
    """Whether two rules make the same pseudonyms, given one domain."""
    return (one.technique, one.config, one.subject) == (other.technique, other.config, other.subject)
