"""Every error of the tree becomes one HTTP problem."""

from __future__ import annotations

import pytest

from elute_gateway.api.problems import STATUSES, ProblemResponse, document_of, status_of, title_of
from elute_wire import errors
from elute_wire.errors import EluteError, Foreign, Place, Problem, Severity

KINDS = sorted(STATUSES, key=lambda kind: kind.code)


def test_the_table_names_every_class_of_the_tree_and_no_other() -> None:
    ours = {kind for kind in STATUSES if kind.__module__ == "elute_gateway.api.problems"}
    assert set(STATUSES) - ours == set(errors.BY_CODE.values()) - ours


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_each_class_has_an_error_status_and_a_title_of_its_own_words(kind: type[EluteError]) -> None:
    assert 400 <= status_of(kind) < 600
    assert title_of(kind).endswith((".", "problems", "once"))
    assert ProblemResponse(kind("reading a thing")).media_type == "application/problem+json"


def test_who_may_retry_is_told_when() -> None:
    for kind in KINDS:
        response = ProblemResponse(kind("reading a thing"))
        assert ("retry-after" in response.headers) == (response.status_code in {429, 503})
        assert ("www-authenticate" in response.headers) == (response.status_code == 401)


def test_a_document_tells_place_sqlstate_and_every_problem() -> None:
    error = errors.StoreForbidden(
        "reading dataset public.orders",
        hint="grant SELECT",
        place=Place(dataset="public.orders", ordinal=0),
        foreign=Foreign("InsufficientPrivilege", sqlstate="42501"),
        problems=(Problem("privilege", "SELECT is missing", severity=Severity.WARNING, pointer="/source"),),
    )
    document = document_of(error).model_dump(mode="json", exclude_none=True)
    assert document["type"] == "/problems/store-forbidden"
    assert document["status"] == 424
    assert document["place"] == {"dataset": "public.orders", "ordinal": 0}
    assert document["sqlstate"] == "42501"
    assert document["problems"] == [
        {"code": "privilege", "severity": "warning", "message": "SELECT is missing", "pointer": "/source"}
    ]
