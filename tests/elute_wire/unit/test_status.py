"""Every error crosses the wire and comes back the same."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elute.v1 import errors_pb2
from elute_wire import errors, status
from elute_wire.errors import EluteError, Foreign, Place, Problem, Severity

words = st.text(max_size=40)
problems = st.builds(
    Problem,
    code=words,
    message=words,
    hint=words,
    severity=st.sampled_from(Severity),
    pointer=words,
    dataset=words,
    column=words,
)
places = st.builds(
    Place,
    dataset=words,
    column=words,
    partition=words,
    ordinal=st.none() | st.integers(0, 2**64 - 1),
    service=words,
)
foreigns = st.builds(Foreign, *[words] * 8)


def facts(error: EluteError) -> tuple[object, ...]:
    return type(error), error.message, error.hint, error.place, error.foreign, tuple(error.problems)


def failed(code: grpc.StatusCode, *trailing: tuple[str, str | bytes]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details="CANARY")


@pytest.mark.parametrize("kind", errors.BY_CODE.values(), ids=lambda kind: kind.code)
def test_every_class_of_error_comes_back_as_itself(kind: type[EluteError]) -> None:
    error = kind(
        "reading dataset public.orders",
        hint="grant SELECT",
        place=Place(dataset="public.orders", column="total", partition="p7", ordinal=0, service="connector"),
        foreign=Foreign("UniqueViolationError", "23505", "ERROR", "public", "orders", "total", "orders_pkey", "int4"),
        problems=(Problem("uncovered-column", "column total has no rule", severity=Severity.WARNING),),
    )
    detail = errors_pb2.ErrorDetail.FromString(status.to_detail(error).SerializeToString())
    assert facts(status.from_detail(detail)) == facts(error)
    assert errors_pb2.Recovery.Name(detail.recovery) == f"RECOVERY_{kind.recovery.name}"
    assert status.status_code(error).name == kind.status


@given(words, words, places, st.none() | foreigns, st.lists(problems, max_size=5))
def test_every_content_of_an_error_comes_back(
    message: str, hint: str, place: Place, foreign: Foreign | None, found: list[Problem]
) -> None:
    error = errors.PlanRefused(message, hint, place, foreign, tuple(found))
    assert facts(status.from_detail(status.to_detail(error))) == facts(error)


def test_more_problems_than_fit_are_counted() -> None:
    found = [Problem(f"code-{number}", "é" * 200) for number in range(2_000)]
    detail = status.to_detail(errors.PlanRefused("m" * 10_000, "h" * 10_000, problems=found))
    assert detail.ByteSize() <= status.DETAIL_BYTES
    told = len(detail.problems) - 1
    assert 50 < told < 2_000
    assert detail.problems[told].code == "more-problems"
    assert detail.problems[told].message == f"{2_000 - told} more problems"


def test_an_error_of_a_later_version_keeps_its_words() -> None:
    error = status.from_detail(errors_pb2.ErrorDetail(code="from-the-future", message="reading the stars"))
    assert type(error) is EluteError
    assert error.message == "reading the stars"


def test_a_problem_without_severity_is_an_error() -> None:
    assert status.from_problem(errors_pb2.Problem(code="c", message="m")).severity is Severity.ERROR


def test_a_failed_call_says_what_was_done_and_where() -> None:
    detail = status.to_detail(errors.SnapshotLost("reading dataset a.b", place=Place(dataset="a.b")))
    rpc = failed(grpc.StatusCode.FAILED_PRECONDITION, (status.DETAIL_KEY, detail.SerializeToString()))
    error = status.from_rpc(rpc, "loading partition 7", "connector")
    assert isinstance(error, errors.SnapshotLost)
    assert error.message == "loading partition 7: reading dataset a.b"
    assert error.place == Place(dataset="a.b", service="connector")


@pytest.mark.parametrize("code", grpc.StatusCode)
def test_a_status_without_detail_keeps_no_foreign_word(code: grpc.StatusCode) -> None:
    error = status.from_rpc(failed(code), "loading partition 7", "connector")
    assert error.message == f"loading partition 7: calling the connector service: {code.name}"
    assert "CANARY" not in repr(error)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.ServiceUnavailable),
        (grpc.StatusCode.INTERNAL, errors.ServiceUnavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.DeadlineExceeded),
        (grpc.StatusCode.UNIMPLEMENTED, errors.ProtocolMismatch),
        (grpc.StatusCode.PERMISSION_DENIED, errors.Forbidden),
    ],
)
def test_a_status_without_detail_is_told_by_its_code(code: grpc.StatusCode, kind: type[EluteError]) -> None:
    assert type(status.from_rpc(failed(code), "asking", "transform")) is kind


def test_a_stream_that_nobody_speaks_for_any_more_lost_its_server_in_the_middle() -> None:
    detail = status.to_detail(errors.ServiceUnavailable("stopping")).SerializeToString()
    spoken = failed(grpc.StatusCode.UNAVAILABLE, (status.DETAIL_KEY, detail))
    assert type(status.from_stream(failed(grpc.StatusCode.UNAVAILABLE), "a", "b")) is errors.StreamTruncated
    assert type(status.from_stream(spoken, "a", "b")) is errors.ServiceUnavailable
    assert type(status.from_stream(failed(grpc.StatusCode.DEADLINE_EXCEEDED), "a", "b")) is errors.DeadlineExceeded


def test_a_malformed_detail_counts_as_none() -> None:
    rpc = failed(grpc.StatusCode.UNAVAILABLE, ("other", "x"), (status.DETAIL_KEY, b"\xff\xff"))
    assert type(status.from_rpc(rpc, "asking", "transform")) is errors.ServiceUnavailable


def test_a_block_that_calls_maps_and_forgets_the_cause() -> None:
    with pytest.raises(errors.ServiceUnavailable) as caught, status.calling("transform", "opening a stage"):
        raise failed(grpc.StatusCode.UNAVAILABLE)
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


def test_the_first_own_error_of_a_group_counts() -> None:
    own = errors.FenceLost("loading")
    group = ExceptionGroup("g", [ValueError("x"), ExceptionGroup("h", [KeyError("y"), own])])
    assert status.first_cause(group) is own
    assert isinstance(status.first_cause(ExceptionGroup("g", [ValueError("x"), KeyError("y")])), ValueError)
