"""Plans and policies as JSON, there and back: for the store, the API and the command line."""

from __future__ import annotations

from pydantic import TypeAdapter

from elute_gateway.domain.plan import Plan
from elute_gateway.domain.policy import PolicyVersion

_PLAN = TypeAdapter(Plan)
_POLICY = TypeAdapter(PolicyVersion)


def plan_to_json(plan: Plan) -> bytes:
    """Write a plan."""
    return _PLAN.dump_json(plan)


def plan_from_json(text: bytes | str) -> Plan:
    """Restore a plan.

    Raises:
        pydantic.ValidationError: The text is not one that `plan_to_json` wrote.
    """
    return _PLAN.validate_json(text)


def policy_to_json(policy: PolicyVersion) -> bytes:
    """Write a policy version; its digest is not in it, being computed."""
    return _POLICY.dump_json(policy)


def policy_from_json(text: bytes | str) -> PolicyVersion:
    """Restore a policy version.

    Raises:
        pydantic.ValidationError: The text is not one that `policy_to_json` wrote.
    """
    return _POLICY.validate_json(text)
