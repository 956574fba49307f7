"""Columns and what they are worked on with: names for array types, and Arrow's kernels."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow.compute

Column: TypeAlias = Any
"""A `pa.Array`. Its published stubs know too few of the kernels' overloads to be of help here."""

pc: Any = pyarrow.compute
"""Arrow's kernels, for the same reason without their stubs."""

Bytes: TypeAlias = npt.NDArray[np.uint8]
Words: TypeAlias = npt.NDArray[np.uint64]
Ints: TypeAlias = npt.NDArray[np.int64]
Offsets: TypeAlias = npt.NDArray[np.int32]
Flags: TypeAlias = npt.NDArray[np.bool_]
