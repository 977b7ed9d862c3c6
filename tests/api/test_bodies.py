"""Every body that a client really sends, byte by byte, and whatever else a fuzzer thinks of."""

import base64
import codecs
import json
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liveserver import MODEL, RUN, LiveServer, form, png, problem, raw

from alpenglow.api.body import BodyLimits, read_fields

FIELDS = (("prompt", "a dog"), ("width", "512"), ("height", "256"), ("seed", "7"))
RED = png()


@pytest.mark.parametrize(
    "content_type",
    [None, "text/x", *(f"multipart/form-data{more}" for more in ("", "; boundary=b0undary", "; boundary=made-up"))],
)
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@pytest.mark.parametrize("end", [b"", b"\r\n", b"\n"])
@pytest.mark.parametrize("chunked", [False, True])
def test_forms(server: LiveServer, content_type: str | None, newline: bytes, end: bytes, *, chunked: bool) -> None:
    body = form(*FIELDS, ("input_image_0", RED), newline=newline, end=end)
    headers = {"content-type": content_type} if content_type else {}
    content = (body[at : at + 7] for at in range(0, len(body), 7)) if chunked else body
    response = server.http.post(RUN, content=content, headers=headers)
    assert response.status_code == 200, response.text
    asked = server.engine.requests[-1]
    assert (asked.prompt, asked.width, asked.height, asked.seed) == ("a dog", 512, 256, 7)
    assert asked.references[0].shape == (48, 64, 3)


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_any_data_and_any_chunking_arrive_whole(newline: bytes, data: bytes, cuts: list[int]) -> None:
    """The streaming parser, and the line end filter before it, against what was put in."""
    data = data.replace(b"\n--b0undary", b"")
    body = form(("a", b"\r\n\n--b0und\r"), ("b", data), ("skipped", b"x" * 500), ("c", b""), newline=newline)

    async def chunks() -> AsyncIterator[bytes]:
        at = index = 0
        while at < len(body):
            yield body[at : (at := at + cuts[(index := index + 1) % len(cuts)])]

    limits = BodyLimits(10_000, 10, lambda name: None if name == "skipped" else 200)
    fields = drive(read_fields({}, chunks(), limits))
    assert fields == {"a": b"\r\n\n--b0und\r", "b": data, "skipped": b"", "c": b""}


def test_many_short_lines_take_no_longer_than_a_few_long_ones() -> None:
    """Bytes once looked at are not copied again, behind the form's end or in a part's headers."""
    for rest in (b"a\n" * 400_000, b"a" * 800_000):
        body = form(("a", b"x"), newline=b"\n") + rest
        began = time.process_time()
        limits = BodyLimits(10_000_000, 10, lambda _: 200)
        assert drive(read_fields({}, once(body), limits)) == {"a": b"x"}
        assert time.process_time() - began < 2  # it was eight


async def once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def test_browsers_newlines_are_those_of_everybody_else(server: LiveServer) -> None:
    for newline in ("\n", "\r\n"):
        body = form(("prompt", f"a house{newline}by a lake"), ("width", "512"))
        assert server.http.post(RUN, content=body).status_code == 200
        assert server.engine.requests[-1].prompt == "a house\nby a lake"


def test_a_byte_order_mark_means_nothing(server: LiveServer) -> None:
    body = codecs.BOM_UTF8 + json.dumps({"prompt": "träumen"}).encode()
    assert server.http.post(RUN, content=body).status_code == 200
    assert server.engine.requests[-1].prompt == "träumen"


def drive(coroutine):
    """Run a coroutine that never really waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_json_under_any_header(server: LiveServer, content_type: str) -> None:
    body = {"prompt": "a dog", "width": 512, "height": "256", "guidance": None, "steps": 4, "other": [1]}
    body["input_image_0"] = base64.b64encode(RED).decode()
    response = server.http.post(RUN, content=" \n" + json.dumps(body), headers={"content-type": content_type})
    assert response.status_code == 200, response.text
    asked = server.engine.requests[-1]
    assert (asked.prompt, asked.width, asked.height, asked.guidance) == ("a dog", 512, 256, None)
    assert asked.references[0].shape == (48, 64, 3)


@pytest.mark.parametrize(
    "image",
    [
        RED,
        base64.b64encode(RED),
        base64.b64encode(RED).rstrip(b"="),
        base64.urlsafe_b64encode(RED),
        base64.encodebytes(RED),
        b"data:image/png;base64," + base64.b64encode(RED),
    ],
    ids=["file", "base64", "unpadded", "urlsafe", "wrapped", "data-url"],
)
def test_an_image_may_be_a_file_or_text(server: LiveServer, image: bytes) -> None:
    response = server.http.post(RUN, content=form(("prompt", "x"), ("input_image_0", image)))
    assert response.status_code == 200, response.text
    assert tuple(server.engine.requests[-1].references[0][0, 0]) == (255, 0, 0)


def test_text_parts_may_have_a_file_name(server: LiveServer) -> None:
    files = {name: (f"{name}.txt", value, "text/plain") for name, value in FIELDS}
    assert server.http.post(RUN, files=files).status_code == 200
    assert server.engine.requests[-1].width == 512


def test_a_boundary_in_quotes(server: LiveServer) -> None:
    headers = {"content-type": 'multipart/form-data; boundary="with space\'()+_,-./:=?"'}
    plain = form(*FIELDS, boundary="with space'()+_,-./:=?")
    assert server.http.post(RUN, content=plain, headers=headers).status_code == 200


def test_a_body_cut_in_the_middle(server: LiveServer) -> None:
    body = form(("prompt", "x"), ("input_image_0", RED))[:-60]
    assert problem(server.http.post(RUN, content=body))[:2] == (400, 5006)
    head = f"POST {RUN} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body) + 60}\r\n\r\n".encode()
    assert b"200 OK" not in raw(server, head + body, close=True)
    chunked = f"POST {RUN} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert b"200 OK" not in raw(server, chunked + f"{len(body):x}\r\n".encode() + body + b"\r\n", close=True)
    assert server.http.get("/healthz").status_code == 200


def test_what_is_not_http_at_all(server: LiveServer) -> None:
    assert raw(server, b"\x16\x03\x01 hello\r\n\r\n", close=True).startswith(b"HTTP/1.1 400")
    assert raw(server, f"POST {RUN} HTTP/1.1\r\nHost: [\r\nContent-Length: 0\r\n\r\n".encode())
    assert b"7000" in raw(server, b"GET /nope HTTP/1.1\r\nHost: [\r\n\r\n")
    assert server.http.get("/healthz").status_code == 200


texts = st.one_of(
    st.text(max_size=20), st.sampled_from(["256", "1e9", "NaN", "-1", "0", "9" * 5000, "true", "1_0", "٣٠٠"])
)
names = st.sampled_from(
    ["prompt", "width", "height", "seed", "guidance", "input_image_0", "input_image_4", "output_format", "x"]
)
values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, st.lists(st.integers(), max_size=2))
fragments = [b"--b\r\n", b"--b--", b"\r\n", b"\n", b"--", b"{", b":", b";", b'"', b"\\", b"\xff", b"\x00", RED[:40]]
heads = [b"Content-Disposition: form-data; name=", b'"prompt"', b'Content-Disposition: form-data; name="width"\r\n\r\n']
pieces = st.sampled_from(fragments + heads)
bodies = st.one_of(
    st.binary(max_size=300),
    st.lists(pieces, max_size=12).map(b"".join),
    st.lists(pieces, max_size=8).map(lambda more: b"--b\r\n" + b"".join(more)),
    st.dictionaries(names, values, max_size=4).map(lambda fields: json.dumps(fields).encode()),
    st.lists(st.tuples(names, texts.map(lambda text: text.encode("utf-8", "replace"))), max_size=5).map(
        lambda p: form(*p)
    ),
)


@given(
    bodies,
    st.sampled_from(["application/json", "multipart/form-data", "multipart/form-data; boundary=b", "\xff", ";="]),
)
@settings(deadline=None, max_examples=300)
def test_no_body_is_ever_our_fault(server: LiveServer, body: bytes, content_type: str) -> None:
    response = server.http.post(RUN, content=body, headers={"content-type": content_type.encode("latin-1")})
    if response.status_code == 200:
        assert response.json()["success"] is True
        assert server.engine.requests[-1].model == MODEL
    else:
        assert problem(response)[0] in (400, 413)


@pytest.mark.parametrize(("filling", "status"), [("1,", 200), ("{},", 413), ("[[[]]],", 413), ("9" * 1_001 + ",", 400)])
def test_json_of_countless_members_or_digits_is_refused(server: LiveServer, filling: str, status: int) -> None:
    body = f'{{"prompt": "x", "z": [{filling * 60_000}1]}}'
    answer = server.http.post(RUN, content=body)
    assert answer.status_code == status
    if status != 200:
        assert problem(answer)[:2] == (status, {413: 3006, 400: 5006}[status])
