"""The models as Cloudflare lists them, for every face that is asked for them. Knows no weights."""

from fastapi import Request, Response

from alpenglow.api import envelope
from alpenglow.api.forms import SearchInput
from alpenglow.request import EngineClient, ModelCard

TASK = {
    "id": "3d6e1f35-341b-4915-a6c8-9a7142a9033a",
    "name": "Text-to-Image",
    "description": "Makes a picture from words, and from other pictures where some are given.",
}


def search(request: Request, client: EngineClient, wanted: SearchInput) -> Response:
    """One page of the models that match. Past the last page it is empty: clients ask on until it is."""
    found = [card for card in client.models() if _matches(card, wanted)]
    first = (wanted.page - 1) * wanted.per_page
    page = [_listed(card) for card in found[first : first + wanted.per_page]]
    info = {"count": len(page), "page": wanted.page, "per_page": wanted.per_page, "total_count": len(found)}
    return envelope.success(request, page, result_info=info)


def _matches(card: ModelCard, wanted: SearchInput) -> bool:
    """As Cloudflare has it: `task` is the exact name, `author` the middle of the model's, `search` any text of it."""
    author = card.api_name.split("/")[-2] if "/" in card.api_name else ""
    text = f"{card.api_name} {card.title} {card.description}".lower()
    return (
        wanted.search.lower() in text
        and wanted.task in ("", TASK["name"])
        and wanted.author.lower() in ("", author.lower())
    )


def _listed(card: ModelCard) -> dict[str, object]:
    """A model in the shape of Cloudflare's list. Two properties of ours say under which weights it answers here."""
    properties = {
        "terms": card.licence_url,
        "alpenglow_licence": card.licence,
        "alpenglow_weights": card.answered_by,
    }
    return {
        "id": card.id,
        "source": 1,
        "name": card.api_name,
        "description": card.description,
        "task": TASK,
        "created_at": card.created_at,
        "tags": [],
        "properties": [{"property_id": name, "value": value} for name, value in properties.items()],
    }
