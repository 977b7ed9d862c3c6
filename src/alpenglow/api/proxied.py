"""How models of Cloudflare's second catalogue answer: `black-forest-labs/flux-2-klein-9b`, without `@cf/`.

There a picture is a URI (ours holds the picture itself, RFC 2397) and an answer has a `state`. Over REST the usual
envelope stands around the same members, so that a client of either kind finds what it looks for.
"""

from fastapi import Request, Response

from alpenglow.api import envelope
from alpenglow.api.runner import Picture


def completed(picture: Picture) -> dict[str, object]:
    """The answer with a picture."""
    return {
        "state": "Completed",
        "result": {"image": picture.data_url},
        "gatewayMetadata": {"keySource": "alpenglow"},
    }


def success(request: Request, picture: Picture) -> Response:
    """The same over REST."""
    body = {**completed(picture), **envelope.around(picture.notes)}
    return envelope.bare(request, body, picture.headers)


def voice(model: str) -> envelope.Voice:
    """How such a model tells an error over REST."""

    def failed(told: envelope.Told) -> tuple[int, envelope.Json]:
        status, body = envelope.enveloped(told)
        error = {"code": told.row.code, "message": told.description}
        return status, {"state": "Failed", "error": error, "model": model, **body}

    return failed
