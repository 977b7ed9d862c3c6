"""What the API says of itself: JSON schemas, made from the models that validate, and the OpenAPI document as a list.
Knows no routes.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from alpenglow.api.forms import RunInput

Schema = dict[str, Any]

OUTPUT: Schema = {
    "type": "object",
    "properties": {"image": {"type": "string", "description": "The picture as a file, in base64."}},
}

MULTIPART: Schema = {
    "type": "object",
    "properties": {
        "multipart": {
            "type": "object",
            "properties": {"body": {"type": "object"}, "contentType": {"type": "string"}},
        }
    },
    "required": ["multipart"],
}
"""All that Cloudflare says of the input, and what it validates by: a form, whatever is in it."""


def input_schema(*, strict: bool) -> Schema:
    """The fields of a run, for whoever builds a form of them; in strict mode what Cloudflare says instead."""
    return MULTIPART if strict else plain(RunInput)


def plain(model: type[BaseModel]) -> Schema:
    """The schema of `model`'s fields. What may be left out is not said to be `null`: no page has a control for that."""
    schema = model.model_json_schema()
    properties = {name: _field(rule) for name, rule in schema["properties"].items()}
    return {"type": "object", "properties": properties, "required": schema.get("required", [])}


def form_or_json(model: type[BaseModel]) -> Schema:
    """The part of an OpenAPI operation that tells of a body with the fields of `model`."""
    schema = {"schema": plain(model)}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": schema, "application/json": schema}}}


def json_with(**properties: Schema) -> Schema:
    """The part of an OpenAPI operation that tells of a JSON body with these properties."""
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def in_account(account: str) -> None:
    """A dependency that tells the document of the account in the path; who may ask for it is not decided here."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path, as an OpenAPI document tells of it: a sentence, fields of query and body, body types."""

    method: str
    path: str
    text: str
    query: dict[str, Schema]
    types: tuple[str, ...]
    fields: dict[str, Schema]
    required: tuple[str, ...]


def operations(document: Schema) -> dict[str, list[Operation]]:
    """The document's operations by tag."""
    components = document["components"]["schemas"]

    def resolved(schema: Schema) -> Schema:
        name = schema.get("$ref", "").rpartition("/")[2]
        return components[name] if name else schema

    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            bodies = told.get("requestBody", {}).get("content", {})
            body = next((resolved(one["schema"]) for one in bodies.values()), {})
            operation = Operation(
                method.upper(),
                path,
                told.get("description", told["summary"]),
                {one["name"]: one["schema"] for one in told.get("parameters", []) if one["in"] == "query"},
                tuple(bodies),
                {name: resolved(field) for name, field in body.get("properties", {}).items()},
                tuple(body.get("required", [])),
            )
            found.setdefault(told.get("tags", ["health"])[0], []).append(operation)
    return found


def _field(rule: Schema) -> Schema:
    variants = [variant for variant in rule.get("anyOf", ()) if variant != {"type": "null"}]
    merged = rule | (variants[0] if variants else {})
    return {key: value for key, value in merged.items() if key not in ("anyOf", "title") and value is not None}
