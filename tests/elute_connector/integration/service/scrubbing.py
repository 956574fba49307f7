"""Units that pass the anonymizer on their way."""

from __future__ import annotations

from collections.abc import Mapping

from elute.v1 import catalog_pb2, connector_pb2, stage_pb2
from tests.elute_connector.integration.service.copying import Copier, written
from tests.support.services import KEY_RING

POLICY = bytes(range(32))
Techniques = Mapping[str, tuple[str, str]]
"""By column, a technique's name and its options as JSON."""


def scrubbed(
    copy: Copier, name: str, techniques: Techniques, slice_: stage_pb2.Slice | None = None, **extract: object
) -> connector_pb2.Unit:
    """The unit that loads a dataset through the anonymizer: some columns by techniques, all others kept."""
    source = copy.catalogs["source"][name]
    unit = copy.unit(name, scrubbing_stage(copy, name, techniques, slice_, **extract))
    for column, field, binding in zip(written(source), unit.fields, unit.columns, strict=True):
        field.treatment = f"/scrub/{column.name}" if column.name in techniques else "keep"
        binding.lane = _lane(column.name, techniques)
    return unit


def scrubbing_stage(
    copy: Copier, name: str, techniques: Techniques, slice_: stage_pb2.Slice | None = None, **extract: object
) -> stage_pb2.Stage:
    """The stage of such a unit."""
    source = copy.catalogs["source"][name]
    stage = copy.stage(name, slice_, **extract)
    for selected in stage.extract.columns:
        selected.lane = _lane(selected.name, techniques)
    anonymize = stage_pb2.Anonymize(
        dataset=source.name,
        key_ring=KEY_RING,
        key_version=1,
        policy_digest=POLICY,
        rules=[
            stage_pb2.Rule(
                pointer=f"/scrub/{column.name}",
                columns=[_pin(column)],
                technique=techniques[column.name][0],
                config=techniques[column.name][1],
                domain=column.name,
            )
            for column in written(source)
            if column.name in techniques
        ],
        kept=[_pin(column) for column in written(source) if column.name not in techniques],
    )
    return stage_pb2.Stage(anonymize=anonymize, input=stage)


def _lane(column: str, techniques: Techniques) -> stage_pb2.Lane.ValueType:
    return stage_pb2.LANE_TYPED if column in techniques else stage_pb2.LANE_WIRE


def _pin(column: catalog_pb2.Column) -> stage_pb2.PinnedColumn:
    return stage_pb2.PinnedColumn(name=column.name, formatted_type=column.formatted_type)
