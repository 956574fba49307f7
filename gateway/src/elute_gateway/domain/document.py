"""What people declare, version by version: pipelines and policies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a document.

    Attributes:
        id: The document's id.
        name: Its name, unique among its kind.
        number: The version, counted from 1.
        text: What was declared, opaque here.
        digest: SHA-256 of what it means, 32 bytes.
        created_by: Who declared it: the id of an API key.
        created_at: When, seconds since 1970.
    """

    id: str
    name: str
    number: int
    text: str
    digest: bytes
    created_by: str
    created_at: float
