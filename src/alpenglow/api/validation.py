"""Fields against a pydantic model; what does not fit is told in the words of Cloudflare's validator where known."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from alpenglow.errors import InvalidInput

Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], fields: Mapping[str, object], files: Collection[str]) -> Model:
    """`fields` as a `model`, to which others are unknown and do not count. Bytes are text but for the `files`.

    Raises InvalidInput.
    """
    values = {
        name: value if name in files else _text(name, value)
        for name, value in fields.items()
        if name in model.model_fields
    }
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidInput(_in_words(error.errors())) from None


def mismatch(name: str, wanted: str, value: object) -> InvalidInput:
    """`value` of the field `name` is of another JSON type than `wanted`."""
    return InvalidInput(_MISMATCH.format(at=f"'/{name}'", wanted=wanted, sent=_SENT[type(value)]))


def _text(name: str, value: object) -> object:
    """Form values are bytes. Browsers send each newline in one as CRLF; to a model that is another prompt."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InvalidInput(f"'/{name}' is not UTF-8 text") from None


_WORDING: Mapping[str, str] = {
    "greater_than_equal": "{at} must be >= {ge}",
    "less_than_equal": "{at} must be <= {le}",
    "string_too_short": "Length of {at} must be >= {min_length}",
    "string_unicode": "{at} is not Unicode text",
    "finite_number": "{at} must be a finite number",
    "literal_error": "{at} must be one of {expected}",
}
"""Pydantic's error type -> Cloudflare's validator's text, as far as it is known; its limits go in by name."""

_MISMATCH = "Type mismatch of {at}, '{wanted}' not in '{sent}'"
_WANTED: Mapping[str, str] = {
    "int": "integer",
    "float": "number",
    "string": "string",
    "bytes": "string",
    "bool": "boolean",
}
"""First word of pydantic's other error types -> JSON type."""

_SENT: Mapping[type, str] = {
    str: "string",
    bytes: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def _in_words(faults: Sequence[ErrorDetails]) -> str:
    """All faults in one line: the missing fields together, then one by one, e.g. `'/width' must be >= 256`."""
    missing = [str(fault["loc"][0]) for fault in faults if fault["type"] == "missing"]
    words = [f"required properties at '/' are '{','.join(missing)}'"] if missing else []
    return ", ".join(words + [_fault(fault) for fault in faults if fault["type"] != "missing"])


def _fault(fault: ErrorDetails) -> str:
    wanted = _WANTED.get(fault["type"].partition("_")[0])
    form = _WORDING.get(fault["type"], _MISMATCH if wanted else "{at}: {msg}")
    limits = {name: int(limit) if type(limit) is float else limit for name, limit in fault.get("ctx", {}).items()}
    at, sent = f"'/{fault['loc'][0]}'", _SENT[type(fault["input"])]
    return form.format_map({**limits, "at": at, "wanted": wanted, "sent": sent, "msg": fault["msg"]})
