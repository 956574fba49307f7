"""Pin the outputs of new golden cases: `python -m tools.pin_golden`.

Only cases without outputs get them. A pinned output never changes: it is a promise to everyone whose pseudonyms are
already out. Where a change is meant, delete the case's outputs by hand and say so in the changelog.
"""

from __future__ import annotations

import json

from tests.support.scrubbing import GOLDEN, golden_output


def main() -> None:
    """Fill in what is missing."""
    cases = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for case in cases:
        if "outputs" not in case:
            case["outputs"] = golden_output(case)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    GOLDEN.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
