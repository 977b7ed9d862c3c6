"""What goes over the wire: the REST envelope, and the one table from our errors to statuses, codes and wording.

The only file that knows HTTP status numbers and Cloudflare's error codes. Knows nothing of how errors come about.

One table, and a Voice for each kind of client that its rows are told to. A request that *reached the model* carries
`cf-ai-req-id`, a UUID that stands in brackets at the end of the message too, and over REST its `result` is `{}`. What
the platform refuses before that (no route, no token) has neither, and `result` is null.
"""

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alpenglow import errors

logger = logging.getLogger(__name__)

Json = Mapping[str, object]

REQUEST_ID = "cf-ai-req-id"
REQUEST_IDS = (REQUEST_ID, "x-request-id")
"""Headers of the id: Cloudflare's, and the one that OpenAI's clients report."""
NOTE_CODE = 10000
"""Code of every entry of `messages`: Cloudflare's own informational messages carry it."""


@dataclass(frozen=True, slots=True)
class OpenAI:
    """What OpenAI says where Cloudflare has a code. `status` None is Cloudflare's, `param` None the field at fault."""

    code: str | None = None
    status: int | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """How one kind of error is told. In `form`, `{text}` is the error's own sentence; without it that stays unsaid.

    `prefix` is what Cloudflare puts before it in the message of a request that reached the model.
    """

    status: int
    code: int
    form: str
    prefix: str = "AiError: "
    chain: tuple[tuple[int, str], ...] = ()
    openai: OpenAI = OpenAI()


@dataclass(frozen=True, slots=True)
class Told:
    """An error in words: `message` is `description` with all that Cloudflare puts around it."""

    row: Answer
    message: str
    description: str
    reached: bool


Voice = Callable[[Told], tuple[int, Json]]
"""How a face tells an error: the status and the body that its clients understand."""


TWICE = "AiError: AiError: "
NO_KEY = OpenAI("invalid_api_key", 401)

TABLE: Mapping[type[BaseException], Answer] = {
    # The caller can fix it.
    errors.InvalidInput: Answer(400, 5006, "Error: {text}", "AiError: Bad input: "),
    errors.InvalidImageType: Answer(400, 5004, "{text}"),
    errors.InvalidImage: Answer(400, 3010, "{text}", TWICE, openai=OpenAI("invalid_image")),
    errors.IncompleteRequest: Answer(400, 3003, "Request is missing headers or body: {text}"),
    errors.RequestTooLarge: Answer(413, 3006, "Request is too large: {text}", openai=OpenAI("request_too_large")),
    errors.UnknownModel: Answer(400, 5007, "{text}", openai=OpenAI("model_not_found", 404, param="model")),
    errors.LoraUnsupported: Answer(405, 5005, "{text}", openai=OpenAI("unsupported_value", 400, param="lora")),
    errors.BadRequest: Answer(400, 5006, "Error: {text}", "AiError: Bad input: "),
    # The caller may try again.
    errors.Overloaded: Answer(
        429, 3040, "Capacity temporarily exceeded, please try again.", TWICE, openai=OpenAI("overloaded")
    ),
    errors.RequestTimeout: Answer(408, 3046, "Request timeout", TWICE, openai=OpenAI("timeout")),
    errors.AllocationSpent: Answer(429, 4006, "{text}", TWICE, openai=OpenAI("insufficient_quota")),
    errors.RateLimited: Answer(429, 3021, "{text}", TWICE, openai=OpenAI("rate_limit_exceeded")),
    errors.EngineClosed: Answer(503, 3040, "{text}", openai=OpenAI("unavailable")),
    errors.EngineStopped: Answer(500, 8007, "{text}", openai=OpenAI("unavailable")),
    asyncio.CancelledError: Answer(503, 3040, "The server is stopping.", openai=OpenAI("unavailable")),
    ClientDisconnect: Answer(408, 3008, "Request was aborted"),
    # It is our fault; what happened is in the log and nowhere else.
    errors.AlpenglowError: Answer(500, 8007, "Internal server error", TWICE),
    Exception: Answer(500, 8007, "Internal server error", TWICE),
    # The platform's refusals.
    errors.MissingCredentials: Answer(
        400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers", openai=NO_KEY
    ),
    errors.MalformedCredentials: Answer(
        400, 6003, "Invalid request headers", chain=((6111, "Invalid format for Authorization header"),), openai=NO_KEY
    ),
    errors.WrongCredentials: Answer(401, 10000, "Authentication error", openai=NO_KEY),
    errors.UnknownKey: Answer(403, 9103, "Unknown X-Auth-Key or X-Auth-Email", openai=NO_KEY),
    errors.ForeignAccount: Answer(403, 10000, "Authentication error", openai=OpenAI("foreign_account")),
    errors.ForeignOrigin: Answer(403, 9109, "{text}", openai=OpenAI("foreign_origin")),
}
"""An error that is not listed is told as the nearest of its base classes is."""

NO_ROUTE = Answer(400, 7000, "No route for that URI", openai=OpenAI("unknown_url", 404))
NO_OBJECT = Answer(404, 7003, "Could not route to {text}, perhaps your object identifier is invalid?")
NO_METHOD = Answer(405, 7001, "{text} not supported for requested URI.", openai=OpenAI("method_not_supported"))

ACCOUNTS = "/client/v4/accounts"
OPENAI_FACE = "/v1/"

_PARAM = re.compile(r"'/(\w+)|at '/' are '(\w+)")
"""Where the first field at fault stands in the validator's words."""


def enveloped(told: Told) -> tuple[int, Json]:
    """The Voice of REST."""
    error: dict[str, object] = {"message": told.message, "code": told.row.code}
    if told.row.chain:
        error["error_chain"] = [{"code": code, "message": cause} for code, cause in told.row.chain]
    body = {"errors": [error], "success": False, "result": {} if told.reached else None, "messages": []}
    return told.row.status, body


def openai(told: Told) -> tuple[int, Json]:
    """The Voice of OpenAI's routes."""
    row = told.row.openai
    status = row.status or told.row.status
    message = told.description.removeprefix("Error: ")
    param = row.param or next((found[1] or found[2] for found in _PARAM.finditer(message)), None)
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    return status, {"error": {"message": message, "type": kind, "param": param, "code": row.code}}


def bound(told: Told) -> tuple[int, Json]:
    """The Voice of the binding, which throws `<internalCode>: <description>`."""
    return told.row.status, {
        "internalCode": told.row.code,
        "message": told.message,
        "name": "AiError",
        "description": told.description,
        "httpCode": told.row.status,
    }


def speak(request: Request, voice: Voice) -> None:
    """Tell every error of `request` in `voice` from here on."""
    request.state.voice = voice


def begin(request: Request) -> str:
    """The request reaches the model: give it its id, which every answer to it will carry from here on."""
    request.state.request_id = request_id = str(uuid.uuid4())
    return request_id


def success(
    request: Request,
    result: object,
    *,
    notes: tuple[str, ...] = (),
    headers: Mapping[str, str] | None = None,
    result_info: Json | None = None,
) -> Response:
    """`result` in the envelope. `notes` become `messages`, each `{"code": 10000, "message": sentence}`."""
    body: dict[str, object] = {"result": result, **around(notes)}
    if result_info is not None:
        body["result_info"] = result_info
    return _respond(request, 200, body, headers or {})


def around(notes: tuple[str, ...]) -> Json:
    """What the envelope of a success adds to its result."""
    messages = [{"code": NOTE_CODE, "message": note} for note in notes]
    return {"success": True, "errors": [], "messages": messages}


def bare(request: Request, result: Json, headers: Mapping[str, str]) -> Response:
    """`result` and nothing around it, as the binding hands it on."""
    return _respond(request, 200, result, headers)


def file(request: Request, data: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """A file as the whole answer, for a caller who accepts nothing else."""
    return Response(data, 200, {**headers, **ids(request)}, media_type)


def failure(request: Request, error: BaseException) -> Response:
    """Any error as its row of TABLE says; faults of ours are logged with their traceback."""
    row = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    if row.status >= 500 and not isinstance(error, errors.EngineClosed | asyncio.CancelledError):
        logger.error("request %s failed", _request_id(request), exc_info=error)
    return _tell(request, row, str(error))


def not_routed(request: Request, error: HTTPException) -> Response:
    """What the router says when no route, or none for this method, is there."""
    path: str = request.scope["path"]
    if error.status_code == NO_METHOD.status:
        return _tell(request, NO_METHOD, request.method, error.headers)
    account, _, rest = path.removeprefix(ACCOUNTS).removeprefix("/").partition("/")
    if path.startswith(ACCOUNTS) and not (account and rest):
        return _tell(request, NO_OBJECT, path)
    return _tell(request, NO_ROUTE, path)


def bad_query(request: Request, error: RequestValidationError) -> Response:
    """A query that the framework validated and refused."""
    faults = (f"'/{fault['loc'][-1]}': {fault['msg']}" for fault in error.errors())
    return failure(request, errors.InvalidInput(", ".join(faults)))


class LastResort:
    """Middleware that answers what no handler foresaw.

    The framework's own last resort answers and raises again, upon which the server closes the connection under the
    caller's next request. A request is cancelled only where the server is stopping and waits no longer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call; only HTTP is answered for."""
        answered = False

        async def noting(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except (Exception, asyncio.CancelledError) as error:
            if scope["type"] != "http" or answered:
                raise
            await failure(Request(scope), error)(scope, receive, send)


def _tell(request: Request, row: Answer, text: str, headers: Mapping[str, str] | None = None) -> Response:
    description = row.form.format(text=text)
    request_id = _request_id(request)
    message = f"{row.prefix}{description} ({request_id})" if request_id else description
    usual = openai if request.scope["path"].startswith(OPENAI_FACE) else enveloped
    voice: Voice = getattr(request.state, "voice", usual)
    status, body = voice(Told(row, message, description, bool(request_id)))
    return _respond(request, status, body, headers or {})


def _respond(request: Request, status: int, body: Json, headers: Mapping[str, str]) -> Response:
    """ASCII JSON under exactly `application/json`: Cloudflare's binding takes any suffix for a stream."""
    content = json.dumps(body, separators=(",", ":"))
    return Response(content, status, {**headers, **ids(request)}, media_type="application/json")


def ids(request: Request) -> dict[str, str]:
    """Headers with the id of `request`, if it has one."""
    request_id = _request_id(request)
    return dict.fromkeys(REQUEST_IDS, request_id) if request_id else {}


def _request_id(request: Request) -> str | None:
    return getattr(request.state, "request_id", None)
