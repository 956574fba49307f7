"""Every connector's definition is complete, and opening a store touches nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import BaseModel, SecretStr

from elute_connector import connectors
from elute_connector.domain.connector import ConnectorDefinition, Role
from elute_wire import registry

CONNECTORS: Mapping[str, ConnectorDefinition] = registry.load(connectors.__name__, ConnectorDefinition)
METHODS = {
    Role.SOURCE: ("hold_snapshot", "plan_partitions", "extracted"),
    Role.TARGET: ("plan_target", "prepare_target", "load", "finish_target", "repair_target"),
}
BOTH = ("check", "discover", "digest", "close")

every_connector = pytest.mark.parametrize("connector", CONNECTORS.values(), ids=lambda connector: connector.name)


@every_connector
def test_settings_are_frozen_refuse_what_they_do_not_know_and_hold_no_secret(connector: ConnectorDefinition) -> None:
    for model in (connector.config, connector.secrets):
        assert issubclass(model, BaseModel)
        assert model.model_config.get("extra") == "forbid"
        assert model.model_config.get("frozen")
    assert not [name for name, option in connector.config.model_fields.items() if option.annotation is SecretStr]
    secret = [option.annotation for option in connector.secrets.model_fields.values()]
    assert all(annotation is SecretStr for annotation in secret), "a secret that is no SecretStr can be printed"


@every_connector
def test_the_example_is_valid_and_a_store_opens_without_reaching_anything(connector: ConnectorDefinition) -> None:
    assert connector.summary.endswith(".")
    with ThreadPoolExecutor(1) as executor:
        config = connector.config.model_validate(connector.example)
        store = connector.open(config, connector.secrets.model_validate({}), executor)
        asyncio.run(store.close())


@every_connector
def test_a_store_has_the_methods_of_its_roles(connector: ConnectorDefinition) -> None:
    assert connector.roles
    wanted = [*BOTH, *(method for role in connector.roles for method in METHODS[role])]
    with ThreadPoolExecutor(1) as executor:
        config = connector.config.model_validate(connector.example)
        store = connector.open(config, connector.secrets.model_validate({}), executor)
    assert [name for name in wanted if not callable(getattr(store, name, None))] == []
