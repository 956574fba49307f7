"""A schema as pg_dump describes it: its objects, their SQL, and what each depends on.

The archive is always our own, made a moment ago by the pg_dump beside us: pg_restore runs whatever an archive says.
Its list of entries (`pg_restore --list`) is the authority: the script's headers are only believed where they agree
with it, so that a function's body that looks like a header cuts nothing.

Source: https://www.postgresql.org/docs/current/app-pgdump.html and app-pgrestore.html
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from elute_connector.connectors.postgresql.client import libpq_environment, tool
from elute_connector.connectors.postgresql.identifiers import qualified
from elute_connector.connectors.postgresql.target.access import Access
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.target import CreateOptions
from elute_wire.errors import (
    EluteError,
    InternalFault,
    PlanRefused,
    SnapshotLost,
    StoreBusy,
    StoreFailed,
    StoreForbidden,
    StoreLoginRefused,
    StoreUnreachable,
)

_LISTED = re.compile(r"^(\d+); (\d+) (\d+) (\S+)", re.MULTILINE)
# Entries about the database as a whole, which a script without `--create` leaves out.
_SILENT = {"ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE"}
_HEADER = re.compile(
    r"^--\n-- TOC entry (?P<id>\d+) \(class (?P<catalog>\d+) OID (?P<oid>\d+)\)\n"
    r"(?:-- Dependencies: (?P<depends>[\d ]+)\n)?"
    r"-- Name: (?P<name>.*); Type: (?P<kind>[A-Z ]+); Schema: (?P<schema>.*); Owner: (?P<owner>.*)\n"
    r"(?:-- Data Pos: \d+\n)?--\n\n",
    re.MULTILINE,
)
# What pg_restore writes before and after all entries, and a setting that it changes for the entry that follows.
_END = re.compile(r"\n(?:-- Completed on [^\n]*\n\n)?--\n-- PostgreSQL database dump complete\n--\n.*\Z", re.DOTALL)
_ACCESS_METHOD = re.compile(r"\nSET default_table_access_method = (?P<name>[^\n]+);\n\s*\Z")

# Only looked at, never passed on but for the names of objects.
_REASONS: tuple[tuple[re.Pattern[str], type[EluteError], str, str], ...] = (
    (
        re.compile(r"snapshot .*does not exist|invalid snapshot identifier|could not import the requested"),
        SnapshotLost,
        "the snapshot is gone",
        "its holder has ended; the run takes a new one",
    ),
    (
        re.compile(r"server version mismatch|aborting because of server version"),
        PlanRefused,
        "the server is newer than pg_dump",
        "name the folder of a newer pg_dump in the connection's setting `tools_folder`",
    ),
    (
        re.compile(r"password authentication failed|no password supplied"),
        StoreLoginRefused,
        "the password is wrong",
        "",
    ),
    (
        re.compile(r"lock timeout|deadlock detected"),
        StoreBusy,
        "a lock was not to be had in time",
        "",
    ),
    (
        re.compile(r"permission denied"),
        StoreForbidden,
        "a privilege is missing",
        "grant SELECT on the selected tables and sequences, and USAGE on their schemas",
    ),
    (
        re.compile(r"connection to server|could not connect|server closed the connection|terminating connection"),
        StoreUnreachable,
        "the server does not answer, or the connection broke",
        "",
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a schema.

    Attributes:
        id: Its number in this archive.
        catalog: The system catalog that describes it, by object identifier; 0 where no row does.
        oid: Its row there; 0 where there is none.
        kind: What it is, in pg_dump's words: `TABLE`, `FK CONSTRAINT`, `INDEX ATTACH` …
        schema: Its schema, `-` where it has none.
        name: Its tag: its name, behind its table's where it belongs to one.
        owner: Its owner.
        depends: The numbers of the entries that must exist before it.
        sql: What makes it.
        access_method: The table access method to make it with; empty where it makes no difference.
    """

    id: int
    catalog: int
    oid: int
    kind: str
    schema: str
    name: str
    owner: str
    depends: tuple[int, ...]
    sql: str
    access_method: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from every other object of its database, in any database."""
        return self.kind, self.schema, self.name

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.name if self.schema == "-" else f"{self.schema}.{self.name}"


async def dump(access: Access, options: CreateOptions, *, excluded: Sequence[DatasetName] = ()) -> tuple[Entry, ...]:
    """Describe the schema of a database, each object after those that it depends on.

    Args:
        access: The database.
        options: What is taken along; owners are taken as statements of their own.
        excluded: Tables to leave out, because the role may not read them.

    Raises:
        SnapshotLost: The snapshot is gone.
        StoreError: The server or the way to it failed.
        PlanRefused: There is no pg_dump, or it is older than the server.
    """
    keep_owners = [] if options.owners else ["--no-owner"]
    common = ["--no-tablespaces", "--no-publications", "--no-subscriptions", "--no-security-labels", *keep_owners]
    common += [] if options.grants else ["--no-privileges"]
    common += [] if options.comments else ["--no-comments"]
    with tempfile.TemporaryDirectory(prefix="elute-") as folder:
        file = str(Path(folder) / "schema.dump")
        reading = ["--format=custom", "--compress=0", "--schema-only", f"--file={file}"]
        reading += [f"--snapshot={access.snapshot_id}"] if access.snapshot_id else []
        reading += [f"--exclude-table={qualified(name)}" for name in excluded]
        await _run(access, "pg_dump", [*reading, *common])
        listing, script = await asyncio.gather(
            _run(access, "pg_restore", ["--list", file]),
            _run(access, "pg_restore", ["--verbose", "--file=-", *common, file]),
        )
    return parse(listing, script)


def parse(listing: str, script: str) -> tuple[Entry, ...]:
    """Cut a verbose script of pg_restore into entries.

    Args:
        listing: The answer of `pg_restore --list`.
        script: The answer of `pg_restore --verbose --file=-`.

    Raises:
        InternalFault: The two do not agree.
    """
    listed = {(int(number), int(catalog), int(oid)): kind for number, catalog, oid, kind in _LISTED.findall(listing)}
    headers = [match for match in _HEADER.finditer(script) if _identity(match) in listed]
    missing = set(listed) - {_identity(match) for match in headers}
    if len(headers) + len(missing) != len(listed) or any(listed[identity] not in _SILENT for identity in missing):
        raise InternalFault("reading a schema: pg_restore's script and its list do not agree")
    return tuple(_entries(script, headers))


def _entries(script: str, headers: list[re.Match[str]]) -> Iterator[Entry]:
    end = _END.search(script, headers[-1].end()) if headers else None
    starts = [match.start() for match in headers] + [end.start() if end else len(script)]
    before = script[: starts[0]]
    access_method = ""
    for header, (_, stop) in zip(headers, pairwise(starts), strict=True):
        announced = _ACCESS_METHOD.search(before)
        access_method = announced["name"] if announced else access_method
        before = script[header.end() : stop]
        yield Entry(
            *_identity(header),
            kind=header["kind"],
            schema=header["schema"],
            name=header["name"],
            owner=header["owner"],
            depends=tuple(int(number) for number in (header["depends"] or "").split()),
            sql=_ACCESS_METHOD.sub("\n", before).strip(),
            access_method=access_method,
        )


def _identity(header: re.Match[str]) -> tuple[int, int, int]:
    return int(header["id"]), int(header["catalog"]), int(header["oid"])


async def _run(access: Access, program: str, arguments: Sequence[str]) -> str:
    """Run one of PostgreSQL's programs; what it says of an error stays here."""
    doing = f"reading the schema of {access.config.database} with {program}"
    try:
        process = await asyncio.create_subprocess_exec(
            tool(access.config, program),
            *arguments,
            env=libpq_environment(access.config, access.secrets, application_name=f"elute {program}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError:
        raise PlanRefused(
            f"{doing}: there is no such program",
            hint="install PostgreSQL's client programs, or name their folder in the setting `tools_folder`",
        ) from None
    try:
        output, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise _failure(doing, said.decode(errors="replace"))
    return output.decode()


def _failure(doing: str, said: str) -> EluteError:
    for pattern, kind, says, hint in _REASONS:
        if pattern.search(said):
            return kind(f"{doing}: {says}", hint=hint)
    return StoreFailed(f"{doing}: it failed")
