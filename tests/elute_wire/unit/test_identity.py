"""Each method lists its callers, and a method without one is not served."""

from __future__ import annotations

from itertools import product

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

from elute.v1 import anonymizer_pb2, connector_pb2, stage_pb2, transform_pb2
from elute_wire.errors import Forbidden, InternalFault, Unauthenticated
from elute_wire.identity import ServiceName, callers, identify, methods, require_caller, require_callers

STAGE = stage_pb2.DESCRIPTOR.services_by_name["StageService"]
CONTRACTS = {
    ServiceName.CONNECTOR: connector_pb2.DESCRIPTOR.services_by_name["ConnectorService"],
    ServiceName.TRANSFORM: transform_pb2.DESCRIPTOR.services_by_name["TransformService"],
    ServiceName.ANONYMIZER: anonymizer_pb2.DESCRIPTOR.services_by_name["AnonymizerService"],
}
# (caller, callee): the hops of the pull chain.
HOPS = {
    ("connector", "connector"),
    ("connector", "transform"),
    ("connector", "anonymizer"),
    ("anonymizer", "transform"),
    ("anonymizer", "connector"),
    ("transform", "connector"),
}


def named(*names: str) -> dict[str, list[bytes]]:
    return {"x509_subject_alternative_name": [name.encode() for name in names]}


def contract(name: str, method: str) -> ServiceDescriptor:
    nothing = DescriptorProto(name="Nothing")
    new = MethodDescriptorProto(name=method, input_type="Nothing", output_type="Nothing")
    file = FileDescriptorProto(
        name="test.proto", message_type=[nothing], service=[ServiceDescriptorProto(name=name, method=[new])]
    )
    pool = DescriptorPool()
    pool.Add(file)
    return pool.FindServiceByName(name)


@pytest.mark.parametrize("service", CONTRACTS)
def test_every_control_method_is_the_gateway_s_alone(service: ServiceName) -> None:
    for method in methods([CONTRACTS[service]]):
        assert callers(service, method) == {ServiceName.GATEWAY}
    require_callers(service, [CONTRACTS[service], STAGE])


@pytest.mark.parametrize(("caller", "callee"), list(product(ServiceName, ServiceName)))
def test_stages_are_opened_along_the_chain_and_by_nobody_else(caller: ServiceName, callee: ServiceName) -> None:
    (method,) = methods([STAGE])
    if (caller, callee) in HOPS:
        require_caller(callee, method, named(caller.uri))
    else:
        with pytest.raises(Forbidden, match=f"the {caller} service may not"):
            require_caller(callee, method, named(caller.uri))


def test_a_method_that_nobody_may_call_keeps_a_server_from_starting() -> None:
    with pytest.raises(InternalFault, match=r"nobody may call /test/New$"):
        require_callers(ServiceName.CONNECTOR, [STAGE, contract("test", "New")])


def test_a_caller_is_known_by_its_one_uri_among_other_names() -> None:
    assert identify(named("gateway.elute.svc", "spiffe://elute/gateway", "10.0.0.1")) is ServiceName.GATEWAY


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("gateway",),
        ("spiffe://elute/gateway/", "spiffe://other/gateway"),
        ("spiffe://elute/stranger",),
        ("spiffe://elute/gateway", "spiffe://elute/connector"),
    ],
)
def test_no_name_a_foreign_one_or_two_are_nobody(names: tuple[str, ...]) -> None:
    with pytest.raises(Unauthenticated):
        identify(named(*names))


def test_a_peer_without_a_certificate_is_nobody() -> None:
    with pytest.raises(Unauthenticated):
        identify({})
