"""Where alerts go: one module per channel, holding its config model (`MODEL`) and `send`, and one line here."""

from functools import reduce
from operator import or_
from types import ModuleType
from typing import Annotated, Any

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from analytics.alerts import webhook

CHANNELS: dict[str, ModuleType] = {
    "webhook": webhook,
}
"""Type, as channels.yaml names it -> module."""


class _ByType:
    """Validates an entry by the channel that its `type` names, also while there is only one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {name: handler.generate_schema(module.MODEL) for name, module in CHANNELS.items()}
        return core_schema.tagged_union_schema(choices, discriminator="type")


Channel = Annotated[reduce(or_, (module.MODEL for module in CHANNELS.values())), _ByType()]
"""An entry of channels.yaml, as the config model of its type."""


def deliver(channel: BaseModel, message_id: str, body: dict[str, Any]) -> None:
    """Send one alert: returns when the receiver has it, raises Retryable if a later try may succeed, else Permanent.

    `message_id` names the alert and stays the same at every try; `body` holds plain JSON values, money as decimal strings.
    """
    CHANNELS[channel.type].send(channel, message_id, body)
