"""Whether the process lives and whether it can make pictures, for supervisors and scripts. No token needed."""

from dataclasses import asdict

from fastapi import APIRouter, Request, Response

from alpenglow.api import envelope
from alpenglow.errors import EngineClosed, EngineStopped
from alpenglow.request import EngineClient


def routes(client: EngineClient) -> APIRouter:
    """`/healthz` answers as long as the process does; `/readyz` says why not until a request would be served.

    503 is worth waiting for, 500 is not: the engine failed.
    """
    router = APIRouter()

    @router.head("/healthz", include_in_schema=False)  # what balancers and monitors ask by
    @router.get("/healthz")
    async def healthz(request: Request) -> Response:
        """The process is alive."""
        return envelope.success(request, {"status": "alive"})

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz")
    async def readyz(request: Request) -> Response:
        """Weights are loaded and requests are answered; 503 and a sentence until then, 500 if it will never be."""
        status = client.status()
        if status.failure is not None:
            raise EngineStopped(status.failure)
        if not status.ready:
            raise EngineClosed("The model is still being loaded and warmed up")
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
