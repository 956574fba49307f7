"""Who may call what.

A service's certificate names it by one URI among its subject alternative names: `spiffe://elute/<service>`. Each
method lists its callers; a method that is not listed has none, and a server with such a method does not start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from google.protobuf.descriptor import ServiceDescriptor

from elute.v1 import anonymizer_pb2, connector_pb2, stage_pb2, transform_pb2
from elute_wire.errors import Forbidden, InternalFault, Unauthenticated

_TRUST_DOMAIN = "spiffe://elute/"


class ServiceName(StrEnum):
    """The services."""

    GATEWAY = "gateway"
    CONNECTOR = "connector"
    TRANSFORM = "transform"
    ANONYMIZER = "anonymizer"

    @property
    def uri(self) -> str:
        """The subject alternative name that a certificate of this service must have."""
        return _TRUST_DOMAIN + self.value


# The pull chain, read backwards: who opens a stage at whom.
_STAGE_CALLERS: Mapping[ServiceName, frozenset[ServiceName]] = {
    ServiceName.CONNECTOR: frozenset({ServiceName.CONNECTOR, ServiceName.ANONYMIZER, ServiceName.TRANSFORM}),
    ServiceName.TRANSFORM: frozenset({ServiceName.CONNECTOR, ServiceName.ANONYMIZER}),
    ServiceName.ANONYMIZER: frozenset({ServiceName.CONNECTOR}),
}

_CONTROL: Mapping[ServiceDescriptor, tuple[str, ...]] = {
    connector_pb2.DESCRIPTOR.services_by_name["ConnectorService"]: (
        "Check",
        "Discover",
        "HoldSnapshot",
        "ReleaseSnapshot",
        "PlanPartitions",
        "PlanTarget",
        "PrepareTarget",
        "Load",
        "FinishTarget",
        "RepairTarget",
        "Digest",
        "Preview",
        "Reseal",
    ),
    transform_pb2.DESCRIPTOR.services_by_name["TransformService"]: ("ValidateTransform",),
    anonymizer_pb2.DESCRIPTOR.services_by_name["AnonymizerService"]: ("ValidateAnonymize",),
}

_OPEN = f"/{stage_pb2.DESCRIPTOR.services_by_name['StageService'].full_name}/Open"
_BY_GATEWAY = frozenset(f"/{service.full_name}/{method}" for service, names in _CONTROL.items() for method in names)
_NOBODY: frozenset[ServiceName] = frozenset()


def methods(contracts: Iterable[ServiceDescriptor]) -> list[str]:
    """Return the paths of all methods of some gRPC services, `/elute.v1.ConnectorService/Load` for one."""
    return [f"/{contract.full_name}/{method.name}" for contract in contracts for method in contract.methods]


def callers(service: ServiceName, method: str) -> frozenset[ServiceName]:
    """Return who may call a method of a service."""
    if method == _OPEN:
        return _STAGE_CALLERS.get(service, _NOBODY)
    return frozenset({ServiceName.GATEWAY}) if method in _BY_GATEWAY else _NOBODY


def require_callers(service: ServiceName, contracts: Iterable[ServiceDescriptor]) -> None:
    """Check that every method that a service is going to serve has a caller.

    Raises:
        InternalFault: One has none.
    """
    forgotten = [method for method in methods(contracts) if not callers(service, method)]
    if forgotten:
        raise InternalFault(f"starting the {service} service: nobody may call {', '.join(forgotten)}")


def identify(auth_context: Mapping[str, Iterable[bytes]]) -> ServiceName:
    """Read from a TLS peer's certificate which service it is.

    Args:
        auth_context: What gRPC tells of the peer.

    Raises:
        Unauthenticated: The certificate names no service of ours, or several.
    """
    names = [name.decode(errors="replace") for name in auth_context.get("x509_subject_alternative_name", ())]
    found = [service for service in ServiceName if service.uri in names]
    if len(found) != 1:
        raise Unauthenticated(
            "identifying a caller: its certificate names no service, or several",
            hint=f"issue each service a certificate with one URI name, such as {ServiceName.GATEWAY.uri}",
        )
    return found[0]


def require_caller(service: ServiceName, method: str, auth_context: Mapping[str, Iterable[bytes]]) -> None:
    """Check that a TLS peer may call a method.

    Raises:
        Unauthenticated: It does not say who it is.
        Forbidden: It is somebody else than the method's callers.
    """
    caller = identify(auth_context)
    if caller not in callers(service, method):
        raise Forbidden(f"calling {method} of the {service} service: the {caller} service may not")
