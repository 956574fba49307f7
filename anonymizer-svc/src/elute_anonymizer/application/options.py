"""What the options of all techniques have in common.

Pseudonyms depend on a technique's options. A field with `exclude=True` is left out of that: it says what happens to
values that get no pseudonym, and two rules that differ in it still join.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Options that a policy writes: immutable, of exactly the declared types, without unknown names.

    The text below an option is its meaning, here and on the reference page.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_by_name=False,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )
