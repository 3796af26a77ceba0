"""What each supplier holds of a child, as the families' files write it, and the shapes of its requests and answers."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from libs.schemas.base import Model


class Strict(Model):
    """A part of a family's file."""

    model_config = ConfigDict(extra="forbid")


class Record(Strict):
    """What a supplier holds of one child, in its own codes. Dates are days ago, so that the files never age."""

    id: str
    holds: Literal["something", "nothing", "outside", "withheld"] = "something"
    as_of_days_ago: int = Field(0, ge=0)
    covers_years: int | None = Field(None, ge=1)


class Wire(BaseModel):
    """A request or an answer as a supplier's own documentation describes it."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """The part of an OpenAPI operation that says what its body is, whole in its place."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def whole(one: Any) -> Any:
        if isinstance(one, list):
            return [whole(each) for each in one]
        if not isinstance(one, dict):
            return one
        if "$ref" in one:
            return whole(parts[one["$ref"].rpartition("/")[2]])
        return {name: whole(each) for name, each in one.items()}

    return {"requestBody": {"content": {"application/json": {"schema": whole(schema)}}}}
