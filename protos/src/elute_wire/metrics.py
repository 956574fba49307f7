"""The process's metrics: declared once, listed for the reference page, and present at 0 before the first event.

A counter that is first seen at 1 never makes `increase()` fire, so whoever knows a label's values calls
`start_at_zero` before the first event.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase

# Else every counter has a second series with the moment of its birth, as a gauge.
disable_created_metrics()  # type: ignore[no-untyped-call] # upstream has no types for it

REGISTRY = CollectorRegistry()
"""Every metric of this process."""

ProcessCollector(registry=REGISTRY)

SECONDS_BUCKETS = (0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""From a unary call on a socket to a partition that takes far too long."""


class Kind(StrEnum):
    """What a metric's numbers do."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, order=True)
class Declaration:
    """A metric as the reference page lists it."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...]


_declared: dict[str, Declaration] = {}


def counter(name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
    """Declare a number that only grows; `name` ends in `_total`."""
    _declare(name, Kind.COUNTER, meaning, labels)
    return Counter(name, meaning, labels, registry=REGISTRY)


def gauge(name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    """Declare a number that goes up and down; `name` ends in its unit, if it has one."""
    _declare(name, Kind.GAUGE, meaning, labels)
    return Gauge(name, meaning, labels, registry=REGISTRY)


def histogram(
    name: str, meaning: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS_BUCKETS
) -> Histogram:
    """Declare a distribution; `name` ends in its unit, `buckets` are upper bounds in it."""
    _declare(name, Kind.HISTOGRAM, meaning, labels)
    return Histogram(name, meaning, labels, registry=REGISTRY, buckets=buckets)


def _declare(name: str, kind: Kind, meaning: str, labels: Sequence[str]) -> None:
    _declared[name] = Declaration(name, kind, meaning, tuple(labels))


def start_at_zero(metric: MetricWrapperBase, **values: Iterable[str]) -> None:
    """Make the series of every combination of label values exist.

    Args:
        metric: A metric with labels.
        values: By label, all values that it can have.
    """
    for combination in product(*values.values()):
        metric.labels(**dict(zip(values, combination, strict=True)))


def declarations() -> list[Declaration]:
    """Return every metric declared so far, by name."""
    return sorted(_declared.values())


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
