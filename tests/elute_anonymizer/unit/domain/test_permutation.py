import numpy as np
import pytest

from elute_anonymizer.domain.permutation import Permutation


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1000, 65_536, 1_000_003])
def test_every_number_has_exactly_one_pseudonym(size: int) -> None:
    permuted = Permutation(bytes(32), size).apply(np.arange(size, dtype=np.uint64))
    assert np.array_equal(np.sort(permuted), np.arange(size, dtype=np.uint64))


@pytest.mark.parametrize("size", [2**31, 3 * 10**9, 2**64 - 1, 2**64])
def test_large_ranges_stay_inside_and_apart(size: int) -> None:
    numbers = np.arange(50_000, dtype=np.uint64) + np.uint64(size - 50_000)
    permuted = Permutation(bytes(32), size).apply(numbers)
    assert len(np.unique(permuted)) == len(numbers)
    assert int(permuted.max()) < size
    # Spread over the whole range, not clustered where the inputs are.
    assert int(permuted.min()) < size // 1000


@pytest.mark.parametrize("size", [1000, 2**40])
def test_another_key_permutes_otherwise(size: int) -> None:
    numbers = np.arange(1000, dtype=np.uint64)
    one, other = (Permutation(bytes([byte]) * 32, size).apply(numbers) for byte in (1, 2))
    assert np.count_nonzero(one == other) < 10
