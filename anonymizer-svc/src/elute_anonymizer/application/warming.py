"""Get ready before the first batch: import every technique, and have the machine code of its loops at hand."""

from __future__ import annotations

import json

from elute_anonymizer.application.examination import techniques
from elute_anonymizer.domain.keys import KEY_BYTES, DomainKey
from elute_wire.compiled import let_compiler_go


def warm() -> None:
    """Have all techniques do their exercises: half a second, and several where nothing is compiled yet."""
    key = DomainKey(bytes(KEY_BYTES))
    for definition in techniques().values():
        for exercise in definition.exercises:
            config = definition.config.model_validate_json(json.dumps(exercise.options))
            definition.build(config, exercise.cells.logical, key).apply(exercise.cells)
    let_compiler_go()
