# ruff: noqa: INP001 - read by mkdocs, no package
"""What the documentation takes from the code that answers: `<!-- api -->`, `<!-- models -->`, `<!-- settings -->`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from alpenglow.api.app import create_app
from alpenglow.api.tariff import described
from alpenglow.catalogue import ROWS
from alpenglow.engine.assemble import assemble
from alpenglow.engine.scheduler import Limits
from alpenglow.settings import PREFIX, Settings


def on_page_markdown(markdown: str, **_: object) -> str:
    """mkdocs calls it with every page."""
    for name, make in PARTS.items():
        marker = f"<!-- {name} -->"
        if marker in markdown:
            markdown = markdown.replace(marker, "\n".join(make()))
    return markdown


def api() -> Iterator[str]:
    """Every operation of the OpenAPI document, by tag."""
    engine, _ = assemble(["demo"], Path(), Limits())
    document = create_app(engine, Settings()).openapi()
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            lines = groups.setdefault(operation.get("tags", ["health"])[0], [])
            lines += [f"### `{method.upper()} {path}`", "", operation.get("description", operation["summary"]), ""]
            lines += _fields(document, operation)
    for group, lines in groups.items():
        yield from (f"## {group[0].upper()}{group[1:]}", "", *lines)


def models() -> Iterator[str]:
    """The catalogue, and what Cloudflare asks for a picture."""
    yield from (
        "| name | in the API | steps | licence | neurons for the first megapixel or tile |",
        "|---|---|---|---|---|",
    )
    for row in ROWS:
        _, neurons, _ = described(row.name)[0]
        licence = f"[{row.licence.name}]({row.licence.url})"
        yield f"| `{row.name}` | `{row.api_name}` | {row.steps} | {licence} | {neurons:,.2f} |"


def settings() -> Iterator[str]:
    """Every setting, as the environment has it."""
    yield from ("| variable | default | meaning |", "|---|---|---|")
    for name, field in Settings.model_fields.items():
        default = "" if field.default_factory or field.default is None else f"`{_plain(field.default)}`"
        yield f"| `{PREFIX}{name.upper()}` | {default} | {field.description or ''} |"


def _plain(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _fields(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    bodies = operation.get("requestBody", {}).get("content", {})
    schema = next((_resolve(document, body["schema"]) for body in bodies.values()), {})
    query = {one["name"]: one["schema"] for one in operation.get("parameters", []) if one["in"] == "query"}
    fields = query | schema.get("properties", {})
    if not fields:
        return
    yield from ("| field | type | default | meaning |", "|---|---|---|---|")
    for name, rule in fields.items():
        kind = _resolve(document, rule).get("type", "")
        limits = f", {rule['minimum']} to {rule['maximum']}" if "minimum" in rule and "maximum" in rule else ""
        chosen = ": " + ", ".join(map(str, rule["enum"])) if "enum" in rule else ""
        needed = ", required" if name in schema.get("required", []) else ""
        text = rule.get("description", "")
        yield f"| `{name}` | {kind}{needed}{limits}{chosen} | {rule.get('default', '')} | {text} |"
    yield ""


def _resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


PARTS: dict[str, Callable[[], Iterator[str]]] = {"api": api, "models": models, "settings": settings}
