"""SQL scalar expressions that users write: admitted word by word, compiled once, typed before a row moves.

An expression passes four doors, in this order; each lets through only what it knows.

1. `words`: its characters and words are those of a scalar expression over the given columns. Subqueries, table
   functions, aggregates, windows and everything whose value is not the row's alone (`now()`, `random()`) have words
   that are not on the list.
2. Polars parses it (`polars.sql_expr`).
3. `tree`: every node of the result is of a known kind, and none can make a text grow without bound.
4. `scalar`: it fits the types of its columns and the type that it is to make.
"""

from elute_transform.domain.expression.scalar import Scalar, compile_scalar
from elute_transform.domain.expression.words import MAX_CHARACTERS

__all__ = ["MAX_CHARACTERS", "Scalar", "compile_scalar"]
