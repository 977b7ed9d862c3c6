"""Whether the process lives and whether it can make pictures, for supervisors and scripts. No token needed."""

from dataclasses import asdict

from fastapi import APIRouter, Request, Response

from alpenglow.api import envelope
from alpenglow.errors import EngineClosed
from alpenglow.request import EngineClient


def routes(client: EngineClient) -> APIRouter:
    """`/healthz` answers as long as the process does; `/readyz` says why not until a request would be served."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz(request: Request) -> Response:
        """The process is alive."""
        return envelope.success(request, {"status": "alive"})

    @router.get("/readyz")
    async def readyz(request: Request) -> Response:
        """Weights are loaded and requests are answered; 503 and a sentence until then."""
        status = client.status()
        if not status.ready:
            raise EngineClosed(status.failure or "The model is still being loaded and warmed up")
        return envelope.success(
            request,
            {
                "status": "ready",
                "running": status.running,
                "queued": status.queued,
                "predicted_seconds": round(status.predicted_seconds, 3),
                "plans": dict(status.plans),
                "cache": asdict(status.cache),
            },
        )

    return router
