"""What is kept of a pipeline: its versions, and how a version's text is read.

A version of a pipeline names the version of the policy that was pinned with it, so what a run does is fixed when a
person saves it. Its text is a JSON object: `form` (`yaml` or `json`), `document` (as it was declared), and
`policy_version` (null when nothing is scrubbed).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from elute_gateway.application.document import Document, parse_json, parse_yaml
from elute_gateway.domain.document import Version
from elute_gateway.domain.pipeline import Pipeline
from elute_wire.errors import PlanRefused


class Form(StrEnum):
    """How a document is written."""

    YAML = "yaml"
    JSON = "json"


class DocumentRecords(Protocol):
    """Where the versions of documents are kept; see `store.documents`."""

    async def save(self, new_id: str, name: str, text: str, digest: bytes, created_by: str) -> Version:
        """Declare a document; one that means the same as its last version makes no new one."""
        ...

    async def get(self, id_or_name: str, number: int | None = None) -> Version:
        """Return a version of a document, the last one unless another is asked for."""
        ...

    async def recall(self, id_: str, number: int | None = None) -> Version:
        """Return a version of a document that a run tells of, even of one that was deleted since."""
        ...

    async def delete(self, id_: str) -> None:
        """Delete a document; `InUse` while a run that has not ended uses it."""
        ...

    async def page(self, after: str = "", limit: int = 50) -> list[Version]:
        """Return the last versions by name."""
        ...

    async def versions(self, id_: str) -> list[Version]:
        """Return all versions of a document, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class SavedPipeline:
    """A version of a pipeline, its text taken apart."""

    version: Version
    form: Form
    document: str
    policy_version: int | None

    @classmethod
    def read(cls, version: Version) -> SavedPipeline:
        """Take a version's text apart."""
        text = json.loads(version.text)
        return cls(version, Form(text["form"]), text["document"], text["policy_version"])

    def pipeline(self) -> Pipeline:
        """Return what it declares.

        Raises:
            PlanRefused: This release does not understand it any more.
        """
        document = parsed(self.document, self.form)
        if document.pipeline is None:
            message = f"reading pipeline {self.version.name}, version {self.version.number}: it is not understood"
            raise PlanRefused(message, hint="mend it, and save it again", problems=document.problems)
        return document.pipeline


def parsed(text: str, form: Form) -> Document:
    """Read a document; what is wrong with it is told in its problems."""
    return parse_yaml(text) if form is Form.YAML else parse_json(text)
