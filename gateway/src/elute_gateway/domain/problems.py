"""Every kind of problem that the gateway itself finds in a document, a policy or a plan.

One list: the reference page is generated from it, and a test provokes each of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from elute_gateway.domain.names import DatasetName
from elute_wire.errors import Problem, Severity

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


class Kind(Enum):
    """What is wrong; the value is its usual severity and what it means."""

    # The document.
    MALFORMED_DOCUMENT = _ERROR, "The text is not the YAML or JSON of one document."
    DUPLICATE_KEY = _ERROR, "A mapping has the same key twice."
    UNKNOWN_FIELD = _ERROR, "A field is not one of those that may stand here."
    INVALID_FIELD = _ERROR, "A field is missing, or its value is of the wrong type or out of bounds."
    INVALID_PATTERN = _ERROR, "A pattern over names is malformed."
    INVALID_FILTER = _ERROR, "A filter is not one boolean SQL expression over the columns of its dataset."
    # What it selects.
    NO_MATCH = _ERROR, "A pattern matches nothing."
    NOTHING_SELECTED = _ERROR, "The source patterns select no dataset with rows to copy."
    UNKNOWN_COLUMN = _ERROR, "A column is named that its dataset does not have."
    TWO_FILTERS = _ERROR, "Two filters are for the same dataset."
    VIEW_NOT_COPIED = _NOTE, "A selected view has no rows of its own; at most its definition is taken along."
    PARENT_NOT_SELECTED = _WARNING, "A table inherits from one that is not selected."
    REFERENCE_LEAVES = _WARNING, "A foreign key refers to a dataset that is not selected."
    FILTER_ORPHANS = _WARNING, "A filter may remove rows that another selected dataset refers to."
    # Who treats what.
    UNCOVERED_COLUMN = _ERROR, "A column has neither a rule nor a keep."
    TWO_RULES = _ERROR, "Two rules are for the same column."
    RULE_AND_KEEP = _ERROR, "A column has both a rule and a keep."
    GENERATED_COLUMN = _ERROR, "A rule is for a generated column, which is computed and never written."
    FOREIGN_KEY_DIVERGES = _ERROR, "The two ends of a foreign key would get different pseudonyms."
    FOREIGN_KEY_TYPES = _ERROR, "The two ends of a scrubbed foreign key have different types, so pseudonyms may differ."
    DOMAIN_CONFLICT = _ERROR, "Two techniques, or two sets of options, share one domain."
    # What treats it, and what the store makes of that.
    INDEX_EQUALITY = _WARNING, "A unique index that compares expressions, or some rows only, reads a scrubbed column."
    CONSTRAINT_READS = _ERROR, "A constraint reads a scrubbed column, so scrubbed values may violate it."
    CONSTRAINT_TRUSTED = _NOTE, "A constraint reads a scrubbed column, and the rule says that its values satisfy it."
    UNKNOWN_CONSTRAINT = _ERROR, "A rule names a constraint that reads none of its columns."
    PARTIAL_INDEX = _NOTE, "The predicate of an index reads a scrubbed column, so it will cover other rows."
    PARTITION_KEY = _WARNING, "A scrubbed column decides which leaf a row belongs to."
    STEP_CHANGES_KEY = _WARNING, "A step changes values of a key or a foreign key."
    LITERAL_IN_METADATA = _NOTE, "The structure of a scrubbed dataset holds a constant, which may be personal data."
    RAW_COPY = _WARNING, "Rows are copied as they are: `scrub: off`."
    NOT_COMPARABLE = (
        _NOTE,
        "`verify: rows` can only count the rows of a dataset: a step or a cast changes what is kept, or nothing is.",
    )
    # What has changed since the policy was pinned.
    DATASET_ADDED = _ERROR, "A dataset has appeared under a pattern since the policy was pinned."
    DATASET_REMOVED = _ERROR, "A dataset of the pinned policy has gone."
    COLUMN_ADDED = _ERROR, "A column has appeared since the policy was pinned."
    COLUMN_REMOVED = _ERROR, "A column of the pinned policy has gone."
    COLUMN_RETYPED = _ERROR, "A column has another type than the policy was pinned with."
    POLICY_CHANGED = _ERROR, "The document makes another policy than the pinned one."
    DOMAIN_CHANGED = _WARNING, "A column leaves its domain, so its pseudonyms no longer join those of earlier runs."

    @property
    def code(self) -> str:
        """The stable name, for example `uncovered-column`."""
        return self.name.lower().replace("_", "-")

    @property
    def severity(self) -> Severity:
        """How much it weighs unless said otherwise."""
        return self.value[0]

    @property
    def meaning(self) -> str:
        """What it means, in a sentence."""
        return self.value[1]

    def problem(
        self,
        message: str,
        *,
        hint: str = "",
        pointer: str = "",
        dataset: DatasetName | None = None,
        column: str = "",
        severity: Severity | None = None,
    ) -> Problem:
        """Make a problem of this kind."""
        name = str(dataset) if dataset else ""
        return Problem(self.code, message, hint, severity or self.severity, pointer, name, column)


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Return those that must be mended before a run."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]
