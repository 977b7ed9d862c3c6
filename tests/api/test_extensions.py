"""What alpenglow adds to Cloudflare's API: pictures themselves, what their files say, and pages of other origins."""

import base64
from io import BytesIO

import pytest
from liveserver import MODEL, RUN, LiveServer, form, paint, problem, serving
from PIL import Image

from alpenglow.imaging import MEDIA_TYPES, ImageFormat, Provenance, encode
from alpenglow.request import GenerationRequest

FIELDS = {"prompt": "a secret fox", "width": "256", "height": "256", "seed": "7"}
PAINTED = paint(GenerationRequest(MODEL, "a secret fox", 256, 256, 7))
ORIGIN = "https://studio.example"


def multipart(**fields: str) -> dict[str, tuple[None, str]]:
    """Fields for httpx to send as a form."""
    return {name: (None, value) for name, value in fields.items()}


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp"])
def test_a_picture_instead_of_json(server: LiveServer, image_format: ImageFormat) -> None:
    response = server.http.post(RUN, files=multipart(**FIELDS), headers={"accept": MEDIA_TYPES[image_format]})
    assert response.headers["content-type"] == MEDIA_TYPES[image_format]
    assert response.content == encode(PAINTED, image_format, provenance=Provenance("demo", 7))
    assert (response.headers["x-alpenglow-weights"], response.headers["x-alpenglow-seed"]) == ("demo", "7")
    phases = [phase.partition(";dur=") for phase in response.headers["server-timing"].split(", ")]
    assert [name for name, _, _ in phases] == ["queue", "text_encoder", "references", "denoise", "decode"]
    assert all(float(milliseconds) >= 0 for _, _, milliseconds in phases)
    assert len(response.headers["cf-ai-req-id"]) == 36


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, image/png"])
def test_json_for_whoever_takes_json(server: LiveServer, accept: str) -> None:
    response = server.http.post(RUN, files=multipart(**FIELDS), headers={"accept": accept})
    assert base64.b64decode(response.json()["result"]["image"]).startswith(b"\xff\xd8\xff")


def test_the_field_decides_the_format_of_a_picture(server: LiveServer) -> None:
    fields = multipart(**FIELDS, output_format="webp")
    response = server.http.post(RUN, files=fields, headers={"accept": "image/*"})
    assert response.headers["content-type"] == "image/webp"
    assert Image.open(BytesIO(response.content)).format == "WEBP"


def test_errors_stay_json(server: LiveServer) -> None:
    response = server.http.post(RUN, content=form(("width", "1")), headers={"accept": "image/*"})
    assert problem(response)[:2] == (400, 5006)


@pytest.mark.parametrize("embedded", [False, True])
def test_a_prompt_is_in_the_file_only_if_asked_for(*, embedded: bool) -> None:
    with serving(embed_prompt=embedded) as live:
        file = live.http.post(RUN, files=multipart(**FIELDS), headers={"accept": "image/png"}).content
    assert (b"a secret fox" in file) == embedded


def test_no_page_of_another_origin_may_ask_unless_it_is_listed(server: LiveServer) -> None:
    preflight = {"origin": ORIGIN, "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in server.http.options(RUN, headers=preflight).headers
    asked = server.http.post(RUN, files=multipart(**FIELDS), headers={"origin": ORIGIN})
    assert asked.status_code == 403
    assert "access-control-allow-origin" not in asked.headers


@pytest.mark.parametrize("path", [RUN, "/v1/images/generations", "/v1/images/edits", "/v1/models"])
def test_a_listed_page_may_use_the_openai_package(path: str) -> None:
    """The headers are those that the package sends from a browser."""
    sent = "authorization,content-type,x-stainless-lang,x-stainless-os,x-stainless-retry-count,x-stainless-runtime"
    preflight = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": sent,
    }
    with serving(cors_origins=(ORIGIN,), token="hush") as live:
        response = live.http.options(path, headers=preflight)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, ORIGIN)
        assert set(sent.split(",")) <= set(response.headers["access-control-allow-headers"].split(","))
        stranger = live.http.options(path, headers=preflight | {"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers
        refused = live.http.get("/v1/models", headers={"origin": ORIGIN})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == ORIGIN  # or the page could not read why


def test_a_page_may_read_what_the_headers_say() -> None:
    with serving(cors_origins=(ORIGIN,)) as live:
        answer = live.http.post("/v1/images/generations", json={"prompt": "x"}, headers={"origin": ORIGIN})
        exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "cf-ai-req-id", "x-alpenglow-seed", "x-alpenglow-weights"} <= set(exposed)


def test_the_openapi_page_describes_openais_routes(server: LiveServer) -> None:
    document = server.http.get("/openapi.json").json()
    edits = document["paths"]["/v1/images/edits"]["post"]
    content = edits["requestBody"]["content"]
    schema = content["multipart/form-data"]["schema"]
    assert schema["required"] == ["prompt", "image"]
    assert schema["properties"]["image"]["maxItems"] == 4
    assert schema["properties"]["size"]["type"] == "string"
    answer = edits["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert {"created", "data", "size"} <= document["components"]["schemas"][answer]["properties"].keys()
