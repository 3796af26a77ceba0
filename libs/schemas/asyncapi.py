"""The AsyncAPI 3.0 document of all events, and the JSON Schemas that it is made of, from the registry of types.

Events are tolerant where requests are strict: a field with an open code list is described as one of its codes or
as a text that is not known yet.
"""

import json
import sys
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import DataclassField, ModelField, TypedDictField

from libs.schemas.base import is_open_code
from libs.schemas.events import (
    EVENT_TYPES,
    MAX_EVENT_BYTES,
    PARTITIONS,
    RETENTION_DAYS,
    TOPICS,
    EventType,
    Service,
)

_HEADERS: dict[str, Any] = {
    "type": "object",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "content-type"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {
            "type": "string",
            "format": "uuid",
            "description": "Stable across repeats of the same event.",
        },
        "ce_source": {"type": "string", "description": "Names the partnership and the service."},
        "ce_type": {"type": "string"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_subject": {"type": "string", "format": "uuid", "description": "The referral's opaque id."},
        "ce_partitionkey": {"type": "string", "format": "uuid", "description": "The referral's opaque id."},
        "ce_sequence": {"type": "string", "description": "Counts per referral and producer, from 1."},
        "content-type": {"const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C trace context of the event's creation."},
        "tracestate": {"type": "string"},
    },
}


class EventSchema(GenerateJsonSchema):
    """JSON Schema of what an event may hold, unknown codes included."""

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """The schema of one part; an open code list keeps both of its branches."""
        if is_open_code(schema):
            return super().generate_inner(schema["schema"])
        return super().generate_inner(schema)

    def field_is_required(self, field: ModelField | DataclassField | TypedDictField, total: bool) -> bool:
        """A writer sends every field, those with a default too."""
        return self.mode == "serialization" or super().field_is_required(field, total)


def event_schemas(
    form: Literal["read", "written"], prefix: str = "#/$defs/"
) -> tuple[dict[str, JsonSchemaValue], dict[str, JsonSchemaValue]]:
    """For each event type's name a reference to its schema, and the definitions that these need.

    `read`: what a reader accepts, so that a field with a default may be missing. `written`: what a writer sends,
    which is every field. `prefix`: where the references point.
    """
    mode: Literal["validation", "serialization"] = "validation" if form == "read" else "serialization"
    models: list[type[BaseModel]] = list(dict.fromkeys(each.payload for each in EVENT_TYPES))
    references, document = models_json_schema(
        [(model, mode) for model in models], ref_template=f"{prefix}{{model}}", schema_generator=EventSchema
    )
    return (
        {each.name: references[each.payload, mode] for each in EVENT_TYPES},
        document["$defs"],
    )


def asyncapi_document() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: a channel for each topic, its messages, and who sends and receives them."""
    references, schemas = event_schemas("written", "#/components/schemas/")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "MASH Triage events",
            "version": "1",
            "description": "CloudEvents 1.0, binary mode. The record's key is the referral's opaque id; order holds "
            "within one topic and referral. Readers ignore unknown fields and keep unknown codes.",
        },
        "defaultContentType": "application/json",
        "channels": {
            service.value: {
                "address": topic,
                "messages": {
                    each.name: {"$ref": f"#/components/messages/{each.name}"}
                    for each in _produced_by(service)
                },
                "bindings": {
                    "kafka": {
                        "topic": topic,
                        "partitions": PARTITIONS,
                        "topicConfiguration": {
                            "retention.ms": RETENTION_DAYS * 24 * 3600 * 1000,
                            "max.message.bytes": MAX_EVENT_BYTES,
                        },
                        "bindingVersion": "0.5.0",
                    }
                },
            }
            for service, topic in TOPICS.items()
        },
        "operations": _operations(),
        "components": {
            "messages": {
                each.name: {
                    "name": each.name,
                    "summary": (each.payload.__doc__ or "").split("\n")[0],
                    "contentType": "application/json",
                    "headers": {"$ref": "#/components/schemas/Headers"},
                    "payload": references[each.name],
                }
                for each in EVENT_TYPES
            },
            "schemas": {"Headers": _HEADERS, **schemas},
        },
    }


def _produced_by(service: Service) -> list[EventType[Any]]:
    return [each for each in EVENT_TYPES if each.producer is service]


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for producer in Service:
        channel = {"$ref": f"#/channels/{producer.value}"}
        produced = _produced_by(producer)
        message = f"#/channels/{producer.value}/messages/"
        operations[f"{producer.value}.sends"] = {
            "action": "send",
            "channel": channel,
            "messages": [{"$ref": message + each.name} for each in produced],
        }
        for reader in Service:
            read = [{"$ref": message + each.name} for each in produced if reader in each.readers]
            if read:
                operations[f"{reader.value}.receives.{producer.value}"] = {
                    "action": "receive",
                    "channel": channel,
                    "messages": read,
                }
    return operations


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncapi_document(), indent=1) + "\n")
