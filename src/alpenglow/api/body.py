"""The bytes of a request -> its fields, raw. Knows boundaries, line ends and limits, and nothing of what fields mean.

Decided by the first bytes, as clients' headers are often wrong: `{` is JSON whatever the header says, `--` is a
multipart form whose boundary is the header's, or stands in its own first line when the header names none or another
(the changelog's JavaScript sends it so). Limits are enforced while bytes arrive; what is over them is refused unstored.
"""

import codecs
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from alpenglow.errors import InvalidInput, RequestTooLarge

MAX_BOUNDARY_LINE = 300
"""Bytes: RFC 2046 allows a boundary of 70, some clients send more; a first line beyond this is none."""

NEITHER = "the body is neither a multipart form nor a JSON object; with curl, send fields by --form"

NO_BOUNDARY = (
    "required properties at '/' are 'multipart': the Content-Type header names no boundary; in a Worker, give FormData "
    "to a Response, and that one's body and content type to env.AI.run"
)
"""Cloudflare's answer to a form whose header names no boundary, which we read from the body unless we are strict, and
how to mend the request."""

FOREIGN_BOUNDARY = "the form does not begin with the boundary that the Content-Type header names"

MAX_JSON_MARKS = 100_000
"""Commas and opening brackets of a JSON body. A picture's has a few dozen and a structured prompt some thousands, and
reading millions of them would hold up the whole server for seconds.
"""

MAX_DIGITS = 1_000
"""Of a whole number in JSON. Reading one takes the square of its digits."""

Fields = Mapping[str, object]
"""Field name -> its value: bytes from a form (a list of them if it may repeat), any JSON value from JSON."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """`part(name)` is the most bytes that a part of that name may have, or None if it is skipped, whatever its size.

    A field of a form that may come several times is in `repeated`.
    """

    body: int
    parts: int
    part: Callable[[str], int | None]
    repeated: frozenset[str] = frozenset()

    def check(self, name: str, size: int) -> None:
        """Raises RequestTooLarge where a part of that name may not have so many bytes."""
        if (most := self.part(name)) is not None and size > most:
            raise RequestTooLarge(f"'/{name}' has more than {most:,} bytes")

    def check_texts(self, fields: Fields) -> None:
        """The same of all text among fields that came as JSON, whose limits are not enforced while it arrives."""
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, str):
                    self.check(name, len(one.encode("utf-8", "surrogatepass")))


async def read_fields(
    headers: Mapping[str, str], stream: AsyncIterator[bytes], limits: BodyLimits, *, sniff: bool = True
) -> Fields:
    """The fields of a body. Raises InvalidInput and RequestTooLarge. An empty body has no fields.

    Without `sniff`, a form whose boundary the header does not name is refused, as Cloudflare refuses it.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.body:
        raise RequestTooLarge(f"the body has {int(length):,} bytes, more than {limits.body:,}")
    chunks = _limited(stream, limits.body)
    start = b""
    async for chunk in chunks:
        start = (start + chunk).removeprefix(codecs.BOM_UTF8).lstrip()
        if start.startswith(b"{"):
            return _parse_json(start + b"".join([chunk async for chunk in chunks]))
        if b"\n" in start or len(start) > MAX_BOUNDARY_LINE:
            break
    return await _read_form(_boundary(headers, start, sniff=sniff), start, chunks, limits) if start else {}


class MultipartForm:
    """Collects the parts of a form; of those that are not wanted the name. Feed it bytes with `write`, then take
    `fields()`.
    """

    def __init__(self, boundary: bytes, limits: BodyLimits) -> None:
        self._limits = limits
        self._parts = 0
        self._ended = False
        self._fields: dict[str, bytes | list[bytes]] = {}
        self._name: str | None = None  # of the part that comes in, if it is wanted
        self._header = self._value = b""
        self._data = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def write(self, data: bytes) -> None:
        """Raises InvalidInput where a form of that boundary cannot go on so, RequestTooLarge once over a limit."""
        if not self._ended:  # what follows the closing delimiter is nobody's business
            self._parser.write(data)

    def fields(self) -> dict[str, bytes | list[bytes]]:
        """The parts by name, empty where none are wanted. Raises InvalidInput unless the closing delimiter was seen."""
        if not self._ended:
            raise InvalidInput("the form ends before its closing delimiter")
        return self._fields

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise RequestTooLarge(f"the form has more than {self._limits.parts} parts")
        self._name = None
        self._header = self._value = b""
        self._data = bytearray()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            name = parse_options_header(self._value)[1].get(b"name", b"")
            sent = name.decode("utf-8", "replace")
            wanted = self._limits.part(sent) is not None
            self._name = sent if wanted else None
            if not wanted:
                self._fields[sent] = b""
        self._header = self._value = b""

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name is None:
            return
        self._limits.check(self._name, len(self._data) + end - start)
        self._data += data[start:end]

    def _on_part_end(self) -> None:
        if self._name is None:
            return
        known = self._fields.get(self._name)
        if isinstance(known, list):
            known.append(bytes(self._data))
        elif known is not None:
            raise InvalidInput(f"'/{self._name}' was sent twice")
        else:
            sent = bytes(self._data)
            self._fields[self._name] = [sent] if self._name in self._limits.repeated else sent

    def _on_end(self) -> None:
        self._ended = True


class CrlfForm:
    """Brings a form with bare LF line ends (written by hand) to the CRLF that the parser knows; data stay untouched."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\n--" + boundary
        self._held = b"\n"  # lets the first delimiter be found like any other
        self._in_headers = False
        self._line_is_empty = False

    def convert(self, data: bytes) -> bytes:
        """The next bytes; up to a delimiter's length is held back until it is known what they are."""
        data = self._held + data
        done, at = bytearray(), 0
        while True:
            step = self._header_line if self._in_headers else self._until_delimiter
            end, out = step(data, at)
            done += out
            if end == at:
                self._held = data[at:]
                return bytes(done)
            at = end

    def _header_line(self, data: bytes, at: int) -> tuple[int, bytes]:
        newline = data.find(b"\n", at)
        if newline < 0:
            self._line_is_empty = self._line_is_empty and at == len(data)
            return len(data), data[at:]
        self._in_headers = not (self._line_is_empty and newline == at)
        self._line_is_empty = True
        return newline + 1, data[at:newline] + b"\r\n"

    def _until_delimiter(self, data: bytes, at: int) -> tuple[int, bytes]:
        found = data.find(self._delimiter, at)
        if found < 0:
            safe = max(at, len(data) - len(self._delimiter) + 1)
            return safe, data[at:safe]
        self._in_headers, self._line_is_empty = True, False
        return found + len(self._delimiter), data[at:found] + b"\r" + self._delimiter


async def _read_form(boundary: bytes, start: bytes, rest: AsyncIterator[bytes], limits: BodyLimits) -> Fields:
    try:
        form = MultipartForm(boundary, limits)
        line, _, _ = start.partition(b"\n")
        convert = bytes if line.endswith(b"\r") else CrlfForm(boundary).convert
        form.write(convert(start))
        async for chunk in rest:
            form.write(convert(chunk))
    except FormParserError as error:
        raise InvalidInput(f"the form is malformed: {error}") from error
    return form.fields()


def _boundary(headers: Mapping[str, str], start: bytes, *, sniff: bool) -> bytes:
    """The header's boundary if the body begins with it, else the body's own if we may `sniff`."""
    first_line = start.partition(b"\n")[0].rstrip()
    if not first_line.startswith(b"--") or len(first_line) > MAX_BOUNDARY_LINE:
        raise InvalidInput(NEITHER)
    content_type, options = parse_options_header(headers.get("content-type", ""))
    named = options.get(b"boundary") if content_type == b"multipart/form-data" else None
    if named and first_line in (b"--" + named, b"--" + named + b"--"):  # the latter of a form without parts
        return named
    if not sniff:
        raise InvalidInput(FOREIGN_BOUNDARY if named else NO_BOUNDARY)
    return first_line.removeprefix(b"--")


def _parse_json(body: bytes) -> Fields:
    marks = sum(map(body.count, (b",", b"{", b"[")))
    if marks > MAX_JSON_MARKS:
        raise RequestTooLarge(f"the JSON has {marks:,} commas and brackets, more than {MAX_JSON_MARKS:,}")
    try:
        fields: Fields = json.loads(body, parse_int=_whole_number)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"the body begins like JSON and is none: {error}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, or nested to death
        raise InvalidInput("the body begins like JSON and cannot be read as that") from error
    return fields


def _whole_number(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of more than {MAX_DIGITS} digits")
    return int(digits)


async def _limited(stream: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """`stream`, for bodies whose length no header tells."""
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > limit:
            raise RequestTooLarge(f"the body has more than {limit:,} bytes")
        yield chunk
