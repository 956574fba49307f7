"""A metric is listed, and its series are there before anything happens."""

from elute_wire import metrics


def test_every_combination_of_labels_starts_at_zero() -> None:
    tried = metrics.counter("elute_test_tries_total", "Tries.", ("method", "code"))
    metrics.start_at_zero(tried, method=("a", "b"), code=("OK", "ABORTED"))
    lines = metrics.exposition().decode().splitlines()
    for method in ("a", "b"):
        for code in ("OK", "ABORTED"):
            assert f'elute_test_tries_total{{code="{code}",method="{method}"}} 0.0' in lines


def test_every_declared_metric_is_listed_once_by_name() -> None:
    metrics.gauge("elute_test_depth_bytes", "Depth.")
    metrics.histogram("elute_test_wait_seconds", "Waiting.", ("method",), buckets=(1.0, 2.0))
    declared = metrics.declarations()
    names = [declaration.name for declaration in declared]
    assert names == sorted(set(names))
    assert metrics.Declaration("elute_test_depth_bytes", metrics.Kind.GAUGE, "Depth.", ()) in declared
    assert metrics.Declaration("elute_test_wait_seconds", metrics.Kind.HISTOGRAM, "Waiting.", ("method",)) in declared


def test_the_process_s_own_memory_is_a_metric() -> None:
    assert b"process_resident_memory_bytes" in metrics.exposition()
