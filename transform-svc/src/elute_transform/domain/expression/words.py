"""The first door of an expression: its characters and words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum, auto

from elute_transform.domain.column import Columns
from elute_transform.domain.step import nearest
from elute_wire.errors import Problem

MAX_CHARACTERS = 2_000
"""Longer expressions are refused: a parser's stack bounds how deep they may nest."""

# fmt: off
FUNCTIONS = frozenset(
    {
        "abs", "bit_length", "cast", "cbrt", "ceil", "ceiling", "char_length", "character_length",
        "coalesce", "concat", "concat_ws", "date", "date_part", "degrees", "ends_with", "exp", "extract", "floor",
        "greatest", "if", "ifnull", "initcap", "least", "left", "length", "ln", "log", "log10", "log1p", "log2",
        "lower", "ltrim", "mod", "normalize", "nullif", "octet_length", "radians", "regexp_like", "replace",
        "reverse", "right", "round", "rtrim", "sign", "split_part", "sqrt", "starts_with", "strftime", "strptime",
        "substr", "substring", "timestamp", "trim", "trunc", "truncate", "try_cast", "upper",
    }
)
# fmt: on
"""The scalar functions that an expression may call: all of them give each row what its own values determine."""

# fmt: off
KEYWORDS = frozenset(
    {
        "and", "as", "between", "both", "case", "distinct", "else", "end", "false", "for", "from", "ilike", "in",
        "interval", "is", "leading", "like", "not", "null", "or", "then", "trailing", "true", "when", "with",
        "without", "zone", "bigint", "boolean", "char", "date", "decimal", "double", "float", "int", "integer",
        "numeric", "precision", "real", "smallint", "text", "time", "timestamp", "timestamptz", "varchar", "year",
        "isoyear", "quarter", "month", "week", "day", "isodow", "dow", "doy", "hour", "minute", "second", "epoch",
    }
)
# fmt: on
"""The words that an expression may hold beside functions and columns: syntax, types, and parts of a date."""

STATEMENTS = frozenset({"all", "any", "exists", "over", "select", "some", "table", "union", "values"})
"""Words of whole statements, which a scalar expression is not; a column of such a name needs its quotes."""

_INTERVAL = re.compile(r"'-?\d{1,4} (?:year|month|week|day|hour|minute|second)s?'", re.IGNORECASE)

_TOKENS = re.compile(
    r"""
      (?P<space>    \s+ )
    | (?P<text>     '(?:[^']|'')*' )
    | (?P<quoted>   "(?:[^"]|"")+" )
    | (?P<number>   (?:\d{1,38}(?:\.\d{1,38})?|\.\d{1,38})(?:[eE][+-]?\d{1,3})?(?![\w.]) )
    | (?P<word>     [^\W\d]\w* )
    | (?P<comment>  --|/\* )
    | (?P<operator> \|\||::|<=|>=|<>|!=|!~\*?|~\*?|[-+*%=<>(),]|/(?!/) )
    """,
    re.VERBOSE,
)


class Kind(StrEnum):
    """What a token is."""

    TEXT = auto()
    QUOTED = auto()
    NUMBER = auto()
    WORD = auto()
    COMMENT = auto()
    OPERATOR = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression, and the piece that follows it."""

    kind: Kind
    text: str
    next: str = ""

    @property
    def name(self) -> str:
        """The column that a word or a quoted name means."""
        return self.text[1:-1].replace('""', '"') if self.kind is Kind.QUOTED else self.text


def admit(expression: str, columns: Columns) -> tuple[frozenset[str], list[Problem]]:
    """Judge an expression by its characters and words.

    Args:
        expression: What the user wrote.
        columns: The columns that it may name, by their exact names.

    Returns:
        The columns that it names for certain (a word may also be a keyword), and everything wrong.
    """
    if len(expression) > MAX_CHARACTERS:
        message = f"the expression has {len(expression)} characters, at most {MAX_CHARACTERS} are allowed"
        return frozenset(), [Problem("expression-too-long", message, "split it into several steps")]
    tokens, problem = _tokens(expression)
    if problem:
        return frozenset(), [problem]
    problems = [problem for token in tokens if (problem := _problem(token, columns))]
    certain = frozenset(token.name for token in tokens if _is_column(token, columns))
    return certain, problems


def _tokens(expression: str) -> tuple[list[Token], Problem | None]:
    found: list[tuple[Kind, str]] = []
    position = 0
    while position < len(expression):
        match = _TOKENS.match(expression, position)
        if match is None or match.lastgroup is None:
            message = f"character {position + 1} of the expression belongs to no scalar expression"
            return [], Problem("expression-character", message, "write column names in double quotes, text in single")
        if match.lastgroup != "space":
            found.append((Kind(match.lastgroup), match.group()))
        position = match.end()
    followers = [*(text for _, text in found), ""][1:]
    return [Token(kind, text, follower) for (kind, text), follower in zip(found, followers, strict=True)], None


def _is_column(token: Token, columns: Columns) -> bool:
    if token.kind is Kind.QUOTED:
        return True
    is_word = token.kind is Kind.WORD and token.next != "("
    return is_word and token.name in columns and token.text.lower() not in KEYWORDS


def _problem(token: Token, columns: Columns) -> Problem | None:
    word = token.text.lower()
    if token.kind is Kind.COMMENT:
        return Problem("expression-comment", "the expression holds a comment", "take it out")
    if word == "interval" and token.kind is Kind.WORD and not _INTERVAL.fullmatch(token.next):
        return Problem("expression-interval", "an interval is no number of one unit", "write INTERVAL '3 days'")
    if token.kind is Kind.WORD and word in STATEMENTS:
        hint = "no subquery, window or aggregate: an expression makes a row's value out of that row alone"
        return Problem("expression-statement", f"{token.text} belongs to no scalar expression", hint)
    is_call = token.next == "(" and (token.kind is Kind.QUOTED or (token.kind is Kind.WORD and word not in KEYWORDS))
    if is_call and word not in FUNCTIONS:
        message = f"{token.text} is not among the functions of an expression"
        hint = nearest(word, FUNCTIONS) or f"these are: {', '.join(sorted(FUNCTIONS))}"
        return Problem("expression-function", message, hint)
    is_name = token.kind is Kind.QUOTED or (token.kind is Kind.WORD and word not in KEYWORDS | FUNCTIONS)
    if is_name and token.name not in columns:
        hint = nearest(token.name, columns) or "names are compared exactly, upper and lower case too"
        return Problem("unknown-column", f"there is no column {token.name}", hint, column=token.name)
    return None
