"""OpenAI's image routes: what they answer to raw requests, to bad ones and to the openai package itself."""

import base64
import itertools
import threading
from collections.abc import Iterator
from io import BytesIO

import httpx
import numpy as np
import openai
import pytest
from liveserver import MODEL, LiveServer, PaintingEngine, form, paint, png, serving
from PIL import Image

from alpenglow.imaging import MEDIA_TYPES
from alpenglow.request import GenerationRequest
from listening import wait_until

GENERATE, EDIT = "/v1/images/generations", "/v1/images/edits"


def pictures(response: httpx.Response) -> list[Image.Image]:
    assert response.status_code == 200, response.text
    return [Image.open(BytesIO(base64.b64decode(datum["b64_json"]))) for datum in response.json()["data"]]


def problem(response: httpx.Response) -> tuple[int, str, str | None, str | None]:
    """Status, type, param and code of an error in OpenAI's shape."""
    (told,) = response.json().values()
    assert list(told) == ["message", "type", "param", "code"]
    assert told["message"]
    return response.status_code, told["type"], told["param"], told["code"]


def test_an_answer_has_openais_shape(server: LiveServer) -> None:
    response = server.http.post(GENERATE, json={"model": "flux-2-klein-9b", "prompt": "a dog", "seed": 7})
    body = response.json()
    (datum,) = body.pop("data")
    assert body.pop("created") > 1_700_000_000
    assert body == {"background": "opaque", "output_format": "png", "size": "1024x1024"}
    assert (list(datum), datum["seed"]) == (["b64_json", "seed"], 7)
    assert (response.headers["x-alpenglow-weights"], response.headers["x-alpenglow-seed"]) == ("demo", "7")
    assert len(response.headers["x-request-id"]) == 36
    painted = paint(GenerationRequest(MODEL, "a dog", 1024, 1024, 7))
    assert np.array_equal(np.asarray(pictures(response)[0]), painted)


def test_n_pictures_differ_and_one_seed_repeats_them_all(server: LiveServer) -> None:
    asked = {"prompt": "x", "n": 4, "size": "256x256", "seed": 2**63 - 2}
    first, again = (server.http.post(GENERATE, json=asked).json()["data"] for _ in range(2))
    assert first == again
    assert [datum["seed"] for datum in first] == [2**63 - 2, 2**63 - 1, 0, 1]
    assert len({datum["b64_json"] for datum in first}) == 4
    alone = server.http.post(GENERATE, json=asked | {"n": 1, "seed": first[1]["seed"]}).json()["data"]
    assert alone == [first[1]]


def test_n_pictures_are_made_side_by_side() -> None:
    with serving(PaintingEngine(seconds=0.3)) as live, openai_client(live) as client:
        thread = threading.Thread(target=lambda: client.images.generate(prompt="x", n=10, size="256x256"))
        thread.start()
        wait_until(lambda: live.engine.running == 10)
        thread.join()


@pytest.mark.parametrize(
    ("size", "made"),
    [("1024x1024", (1024, 1024)), ("auto", (1024, 1024)), ("256x1920", (256, 1920)), ("1000x777", (992, 768))],
)
def test_sizes(server: LiveServer, size: str, made: tuple[int, int]) -> None:
    response = server.http.post(GENERATE, json={"prompt": "x", "size": size, "output_format": "jpeg"})
    assert pictures(response)[0].size == made
    assert response.json()["size"] == f"{made[0]}x{made[1]}"


@pytest.mark.parametrize(
    ("image", "made"),
    [((512, 512), (1024, 1024)), ((1600, 900), (1360, 768)), ((16, 400), (256, 1920)), ((400, 300), (1184, 880))],
)
def test_an_edit_keeps_the_shape_of_its_first_image(
    server: LiveServer, image: tuple[int, int], made: tuple[int, int]
) -> None:
    response = server.http.post(EDIT, data={"prompt": "x", "output_format": "jpeg"}, files={"image": png(*image)})
    assert pictures(response)[0].size == made


@pytest.mark.parametrize(("output_format", "kind"), [("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_formats_and_data_urls(server: LiveServer, output_format: str, kind: str) -> None:
    asked = {"prompt": "x", "size": "256x256", "output_format": output_format, "response_format": "url"}
    (datum,) = server.http.post(GENERATE, json=asked).json()["data"]
    head, _, data = datum["url"].partition(",")
    assert head == f"data:{MEDIA_TYPES[output_format]};base64"  # type: ignore[index]
    assert Image.open(BytesIO(base64.b64decode(data))).format == kind


def test_compression_is_the_quality(server: LiveServer) -> None:
    asked = {"prompt": "x", "size": "512x512", "output_format": "jpeg", "seed": 1}
    qualities = ({"output_compression": 0}, {"output_compression": 50}, {}, {"output_compression": 100})
    sizes = [len(server.http.post(GENERATE, json=asked | extra).content) for extra in qualities]
    assert sizes == sorted(set(sizes))


def test_every_field_that_clients_send(server: LiveServer) -> None:
    asked = {
        "model": MODEL,
        "prompt": "träumen",
        "n": None,
        "size": "512x512",
        "quality": "hd",
        "style": "vivid",
        "background": "transparent",
        "moderation": "low",
        "partial_images": 0,
        "stream": False,
        "user": "somebody",
        "guidance": 2.5,
    }
    assert server.http.post(GENERATE, json=asked).status_code == 200
    made = server.engine.requests[-1]
    assert (made.model, made.prompt, made.width, made.guidance) == (MODEL, "träumen", 512, 2.5)


@pytest.mark.parametrize("name", ["image", "image[]"])
def test_an_edit_looks_at_its_images_in_order(server: LiveServer, name: str) -> None:
    parts = [(name, png(100 + index, 80)) for index in range(4)]
    body = form(("prompt", "x"), ("n", "2"), ("size", "256x256"), ("input_fidelity", "high"), *parts)
    assert len(pictures(server.http.post(EDIT, content=body))) == 2
    for made in server.engine.requests[-2:]:
        assert [reference.shape for reference in made.references] == [(80, 100 + index, 3) for index in range(4)]


def test_an_edit_as_json(server: LiveServer) -> None:
    url = "data:image/png;base64," + base64.b64encode(png(100, 80)).decode()
    for sent in ({"image": url}, {"image": [url]}, {"images": [{"image_url": url}]}):
        assert server.http.post(EDIT, json={"prompt": "x", "size": "256x256"} | sent).status_code == 200
        assert server.engine.requests[-1].references[0].shape == (80, 100, 3)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        (None, "@cf/black-forest-labs/flux-2-demo"),
        ("demo", "@cf/black-forest-labs/flux-2-demo"),
        ("flux-2-klein-4b", "@cf/black-forest-labs/flux-2-klein-4b"),
        ("klein-9b", MODEL),
        (MODEL, MODEL),
        (MODEL.removeprefix("@cf/"), MODEL),
        ("gpt-image-1", "@cf/black-forest-labs/flux-2-demo"),
        ("dall-e-2", "@cf/black-forest-labs/flux-2-demo"),
    ],
)
def test_names_of_models(server: LiveServer, name: str | None, made: str) -> None:
    asked = {"prompt": "x", "size": "256x256", "model": name}
    assert server.http.post(GENERATE, json=asked).status_code == 200
    assert server.engine.requests[-1].model == made


def test_dall_e_answers_with_urls_as_it_did(server: LiveServer) -> None:
    asked = {"prompt": "x", "size": "256x256", "model": "dall-e-3"}
    (datum,) = server.http.post(GENERATE, json=asked).json()["data"]
    assert datum["url"].startswith("data:image/png;base64,")


def test_the_first_model_of_the_settings_answers_what_names_none() -> None:
    with serving(models=("klein-4b", "demo")) as live:
        live.http.post(GENERATE, json={"prompt": "x", "size": "256x256"})
        assert live.engine.requests[-1].model == "@cf/black-forest-labs/flux-2-klein-4b"


def test_models_are_listed_and_found(server: LiveServer) -> None:
    listed = server.http.get("/v1/models").json()
    assert (listed["object"], [model["id"] for model in listed["data"]]) == (
        "list",
        ["flux-2-demo", "flux-2-klein-4b", "flux-2-klein-9b"],
    )
    klein = listed["data"][2]
    assert klein == {"id": "flux-2-klein-9b", "object": "model", "created": 1768395354, "owned_by": "black-forest-labs"}
    for name in ("flux-2-klein-9b", "klein-9b", MODEL, MODEL.replace("/", "%2F")):
        assert server.http.get(f"/v1/models/{name}").json() == klein
    assert problem(server.http.get("/v1/models/none")) == (404, "invalid_request_error", "model", "model_not_found")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x", "n": 0}, "n"),
        ({"prompt": "x", "n": 11}, "n"),
        ({"prompt": "x", "n": "many"}, "n"),
        ({"prompt": "x", "size": "large"}, "size"),
        ({"prompt": "x", "size": "255x256"}, "size"),
        ({"prompt": "x", "size": "256x2048"}, "size"),
        ({"prompt": "x", "size": 1024}, "size"),
        ({"prompt": "x", "output_format": "gif"}, "output_format"),
        ({"prompt": "x", "output_compression": 101}, "output_compression"),
        ({"prompt": "x", "response_format": "file"}, "response_format"),
        ({"prompt": "x", "stream": True}, "stream"),
        ({"prompt": "x", "seed": -1}, "seed"),
        ({"prompt": "x", "model": 5}, "model"),
        ({"prompt": ["x"]}, "prompt"),
    ],
)
def test_bad_fields(server: LiveServer, fields: dict[str, object], param: str) -> None:
    assert problem(server.http.post(GENERATE, json=fields)) == (400, "invalid_request_error", param, None)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((), (400, "invalid_request_error", "image", None)),
        ((("image[]", png()),) * 5, (400, "invalid_request_error", "image", None)),
        ((("image", png()), ("mask", png())), (400, "invalid_request_error", "mask", None)),
        ((("image", b"no picture"),), (400, "invalid_request_error", "image", "invalid_image")),
        ((("image", png(4, 4)),), (400, "invalid_request_error", "image", "invalid_image")),
        ((("image", b"x" * 20_000_001),), (413, "invalid_request_error", "image", "request_too_large")),
    ],
)
def test_bad_edits(
    server: LiveServer, parts: tuple[tuple[str, bytes], ...], told: tuple[int, str, str | None, str | None]
) -> None:
    response = server.http.post(EDIT, content=form(("prompt", "x"), *parts))
    assert problem(response) == told


def test_an_edit_of_nothing_in_a_list(server: LiveServer) -> None:
    told = problem(server.http.post(EDIT, json={"prompt": "x", "image": [None]}))
    assert told == (400, "invalid_request_error", "image", None)


def test_an_empty_mask_is_none(server: LiveServer) -> None:
    body = form(("prompt", "x"), ("size", "256x256"), ("image", png()), ("mask", b""))
    assert server.http.post(EDIT, content=body).status_code == 200


def test_an_unreadable_image_is_named_by_its_place(server: LiveServer) -> None:
    body = form(("prompt", "x"), ("image[]", png()), ("image[]", b"text"))
    assert "image 1" in server.http.post(EDIT, content=body).json()["error"]["message"]


def test_wrong_doors(server: LiveServer) -> None:
    assert problem(server.http.post("/v1/images/variations")) == (404, "invalid_request_error", None, "unknown_url")
    assert problem(server.http.get("/v1/chat/completions")) == (404, "invalid_request_error", None, "unknown_url")
    assert problem(server.http.get(GENERATE)) == (405, "invalid_request_error", None, "method_not_supported")


def test_only_the_token_may_ask() -> None:
    with serving(token="hush") as live:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "hush"}):
            for method, path in (("GET", "/v1/models"), ("POST", GENERATE), ("POST", EDIT)):
                told = problem(live.http.request(method, path, headers=headers))
                assert told == (401, "invalid_request_error", None, "invalid_api_key")
        assert live.http.get("/v1/models", headers={"authorization": "Bearer hush"}).status_code == 200


def test_one_failure_ends_all_n() -> None:
    """Two of four find no place: the others are cancelled, and the caller is told once."""
    with serving(PaintingEngine(seconds=30, capacity=2)) as live:
        told = problem(live.http.post(GENERATE, json={"prompt": "x", "n": 4}))
        assert told == (429, "rate_limit_error", None, "overloaded")
        assert (live.engine.cancelled, live.engine.running) == (2, 0)


def test_leaving_cancels_all_n() -> None:
    with serving(PaintingEngine(seconds=60)) as live:
        for path, asked in (
            (GENERATE, {"json": {"prompt": "x", "n": 3}}),
            (EDIT, {"data": {"prompt": "x", "n": "3"}, "files": {"image": png()}}),
        ):
            live.engine.cancelled = 0
            with pytest.raises(httpx.ReadTimeout):
                live.http.post(path, timeout=httpx.Timeout(20, read=1), **asked)  # type: ignore[arg-type]
            wait_until(lambda: live.engine.cancelled == 3)
            assert live.engine.running == 0


def openai_client(live: LiveServer, key: str = "any") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{live.url}/v1", api_key=key, max_retries=0)


@pytest.fixture
def client(server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai_client(server) as client:
        yield client


def test_the_openai_package_generates(client: openai.OpenAI) -> None:
    answer = client.images.generate(
        model="flux-2-klein-9b", prompt="x", n=2, size="512x512", quality="high", extra_body={"seed": 7}
    )
    assert answer.data is not None
    opened = [Image.open(BytesIO(base64.b64decode(datum.b64_json or ""))) for datum in answer.data]
    assert [(image.format, image.size) for image in opened] == [("PNG", (512, 512))] * 2
    assert (answer.size, answer.output_format) == ("512x512", "png")


def test_the_openai_package_edits(server: LiveServer, client: openai.OpenAI) -> None:
    images = [("style.png", png(100, 80), "image/png"), ("subject.png", png(60, 40), "image/png")]
    for sent, shapes in ((images, [(80, 100, 3), (40, 60, 3)]), (images[0], [(80, 100, 3)])):
        answer = client.images.edit(model="flux-2-klein-9b", prompt="x", image=sent, size="256x256")
        assert answer.data is not None
        assert answer.data[0].b64_json
        assert [reference.shape for reference in server.engine.requests[-1].references] == shapes


def test_the_openai_package_lists_models(client: openai.OpenAI) -> None:
    ids = [model.id for model in client.models.list()]
    assert "flux-2-klein-9b" in ids
    assert client.models.retrieve("flux-2-klein-9b").owned_by == "black-forest-labs"


def test_the_openai_package_raises_its_own_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="mask") as raised:
        client.images.edit(prompt="x", image=png(), mask=png())
    assert raised.value.param == "mask"
    with pytest.raises(openai.NotFoundError) as missing:
        client.images.generate(model="nobody", prompt="x")
    assert missing.value.code == "model_not_found"
    with (
        serving(token="hush") as live,
        openai_client(live, "wrong") as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()
    with (
        serving(PaintingEngine(capacity=0)) as live,
        openai_client(live) as patient,
        pytest.raises(openai.RateLimitError),
    ):
        patient.images.generate(prompt="x")


def test_the_openai_package_waits_for_room() -> None:
    """Its own retries get a picture once the queue has room again."""
    with serving(PaintingEngine(capacity=0)) as live, openai_client(live).with_options(max_retries=2) as client:
        attempts = itertools.count()
        generate = live.engine.generate

        async def later(*args, **kwargs):
            live.engine.capacity = next(attempts)
            return await generate(*args, **kwargs)

        live.engine.generate = later
        assert client.images.generate(prompt="x", size="256x256").data
