# ruff: noqa: INP001 - read by mkdocs, no package
"""What the documentation takes from the code that answers: `<!-- api -->`, `<!-- models -->`, `<!-- settings -->`."""

from collections.abc import Callable, Iterator
from pathlib import Path

from alpenglow.api.app import create_app
from alpenglow.api.schemas import Operation, operations
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
    for group, listed in operations(document).items():
        yield from (f"## {group[0].upper()}{group[1:]}", "")
        for operation in listed:
            yield from (f"### `{operation.method} {operation.path}`", "", operation.text, "", *_fields(operation))


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


def _fields(operation: Operation) -> Iterator[str]:
    fields = operation.query | operation.fields
    if not fields:
        return
    yield from ("| field | type | default | meaning |", "|---|---|---|---|")
    for name, rule in fields.items():
        limits = f", {rule['minimum']} to {rule['maximum']}" if "minimum" in rule and "maximum" in rule else ""
        chosen = ": " + ", ".join(map(str, rule["enum"])) if "enum" in rule else ""
        needed = ", required" if name in operation.required else ""
        text = rule.get("description", "")
        yield f"| `{name}` | {rule.get('type', '')}{needed}{limits}{chosen} | {rule.get('default', '')} | {text} |"
    yield ""


PARTS: dict[str, Callable[[], Iterator[str]]] = {"api": api, "models": models, "settings": settings}
