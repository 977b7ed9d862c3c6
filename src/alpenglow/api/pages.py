"""The pages that a person opens: so far the API's reference, from its own OpenAPI document, loading nothing else."""

from pathlib import Path
from typing import Any

import jinja2
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

TEMPLATE = Path(__file__).with_name("reference.html.jinja")


def routes() -> APIRouter:
    """`/docs`."""
    router = APIRouter(include_in_schema=False)
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        TEMPLATE.read_text("utf-8")
    )

    @router.get("/docs")
    async def reference(request: Request) -> HTMLResponse:
        document: dict[str, Any] = request.app.openapi()
        return HTMLResponse(page.render(info=document["info"], groups=_groups(document)))

    return router


def _groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Operations by tag, each with its method, path, sentence, and fields of query and body."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            bodies = operation.get("requestBody", {}).get("content", {})
            schema = next((_resolve(document, body["schema"]) for body in bodies.values()), {})
            groups.setdefault(operation.get("tags", ["health"])[0], []).append(
                {
                    "method": method.upper(),
                    "path": path,
                    "text": operation.get("description", operation["summary"]),
                    "query": [p for p in operation.get("parameters", []) if p["in"] == "query"],
                    "types": list(bodies),
                    "fields": {name: _resolve(document, field) for name, field in schema.get("properties", {}).items()},
                    "required": schema.get("required", []),
                }
            )
    return groups


def _resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema, or what its reference points to."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema
