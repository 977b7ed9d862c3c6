"""The documented requests over real HTTP: what comes back, and that the engine got what was asked."""

import base64
import shutil
import subprocess
from io import BytesIO

import httpx
import numpy as np
import pytest
from liveserver import MODEL, RUN, LiveServer, PaintingEngine, form, paint, png, problem, serving
from PIL import Image

from alpenglow.imaging import Provenance, encode
from alpenglow.request import GenerationRequest
from listening import wait_until


def picture(response: httpx.Response) -> Image.Image:
    assert response.status_code == 200, response.text
    return Image.open(BytesIO(base64.b64decode(response.json()["result"]["image"], validate=True)))


def multipart(**fields: str | bytes) -> dict[str, tuple[None, str | bytes]]:
    """Fields for httpx to send as a form, files or not."""
    return {name: (None, value) for name, value in fields.items()}


def test_an_answer_is_the_documented_envelope(server: LiveServer) -> None:
    response = server.http.post(
        RUN, files=multipart(prompt="a sunset at the alps", width="256", height="512", seed="7")
    )
    assert response.headers["content-type"] == "application/json"
    assert len(response.headers["cf-ai-req-id"]) == 36
    assert response.headers["x-alpenglow-weights"] == "demo"
    assert response.headers["x-alpenglow-seed"] == "7"
    body = response.json()
    assert list(body) == ["result", "success", "errors", "messages"]
    assert (list(body["result"]), body["success"], body["errors"], body["messages"]) == (["image"], True, [], [])
    painted = paint(GenerationRequest(MODEL, "a sunset at the alps", 256, 512, 7))
    assert base64.b64decode(body["result"]["image"]) == encode(painted, provenance=Provenance("demo", 7))


def test_defaults(server: LiveServer) -> None:
    response = server.http.post(RUN, files=multipart(prompt="x"))
    image = picture(response)
    assert (image.format, image.size) == ("JPEG", (1024, 768))
    asked = server.engine.requests[-1]
    assert (asked.model, asked.guidance, asked.references) == (MODEL, None, ())
    assert response.headers["x-alpenglow-seed"] == str(asked.seed)


def test_the_seed_decides(server: LiveServer) -> None:
    fields = {"prompt": "x", "width": "256", "height": "256"}
    same = {server.http.post(RUN, files=multipart(**fields, seed="1")).json()["result"]["image"] for _ in range(2)}
    free = {server.http.post(RUN, files=multipart(**fields)).json()["result"]["image"] for _ in range(3)}
    assert (len(same), len(free)) == (1, 3)


def test_all_fields_reach_the_engine(server: LiveServer) -> None:
    images = {f"input_image_{index}": png(100 + index, 80) for index in range(4)}
    fields = {"prompt": "träumen 夢", "width": "1080", "height": "1920", "seed": str(2**63 - 1), "guidance": "2.5"}
    response = server.http.post(RUN, data={**fields, "steps": "25", "whatever": "x"}, files=images)
    assert picture(response).size == (1072, 1920)
    asked = server.engine.requests[-1]
    assert (asked.prompt, asked.width, asked.height) == ("träumen 夢", 1072, 1920)
    assert (asked.seed, asked.guidance) == (2**63 - 1, 2.5)
    assert [reference.shape for reference in asked.references] == [(80, 100 + index, 3) for index in range(4)]
    (note,) = response.json()["messages"]
    assert note == {"code": 10000, "message": "width 1080 was rounded down to 1072, a multiple of 16"}


def test_a_picture_under_a_wrong_name_is_told(server: LiveServer) -> None:
    told = "input_image was ignored: pictures are input_image_0 to input_image_3"
    form = server.http.post(RUN, data={"prompt": "x"}, files=[("input_image", png()), ("input_image", png())])
    plain = server.http.post(RUN, json={"prompt": "x", "input_image": "https://a.example/b.png"})
    for response in (form, plain):
        assert server.engine.requests[-1].references == ()
        assert [note["message"] for note in response.json()["messages"]] == [told]


def test_large_references_are_scaled_down_with_a_note(server: LiveServer) -> None:
    images = {"input_image_0": png(512, 512), "input_image_1": png(3000, 1500)}
    response = server.http.post(RUN, data={"prompt": "x"}, files=images)
    assert [reference.shape for reference in server.engine.requests[-1].references] == [(512, 512, 3), (256, 512, 3)]
    assert [note["message"] for note in response.json()["messages"]] == [
        "input_image_1 was scaled down from 3000 x 1500 to 512 x 256 to fit 512 x 512"
    ]


@pytest.mark.parametrize(("output_format", "kind"), [("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_output_format_is_an_extension(server: LiveServer, output_format: str, kind: str) -> None:
    response = server.http.post(RUN, files=multipart(prompt="x", output_format=output_format))
    assert picture(response).format == kind


@pytest.mark.parametrize(
    "name",
    [MODEL, MODEL.replace("/", "%2F"), MODEL.replace("@", "%40").replace("/", "%2F"), MODEL.removeprefix("@cf/")],
)
def test_the_model_may_be_written_in_several_ways(server: LiveServer, name: str) -> None:
    response = server.http.post(RUN.removesuffix(MODEL) + name, files=multipart(prompt="x"))
    assert response.status_code == 200
    assert server.engine.requests[-1].model in (MODEL, MODEL.removeprefix("@cf/"))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("references", [0, 2])
def test_the_documented_curl_command(server: LiveServer, references: int, tmp_path) -> None:
    command = ["curl", "--silent", "--fail", "--request", "POST", "--url", server.url + RUN]
    command += ["--header", "Authorization: Bearer TOKEN", "--header", "Content-Type: multipart/form-data"]
    command += ["--form", "prompt=a sunset at the alps", "--form", "width=1024", "--form", "height=1024"]
    command += ["--form", "steps=25"]
    for index in range(references):
        file = tmp_path / f"{index}.png"
        file.write_bytes(png(colour=("red", "blue")[index]))
        command += ["--form", f"input_image_{index}=@{file}"]
    answer = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    assert picture(httpx.Response(200, content=answer)).size == (1024, 1024)
    colours = [tuple(reference[0, 0]) for reference in server.engine.requests[-1].references]
    assert colours == [(255, 0, 0), (0, 0, 255)][:references]


def test_requests_run_side_by_side() -> None:
    with serving(PaintingEngine(seconds=0.2)) as live:
        processes = [
            subprocess.Popen(["curl", "-sf", "--form", f"prompt={index}", live.url + RUN], stdout=subprocess.PIPE)
            for index in range(4)
        ]
        wait_until(lambda: live.engine.running == 4)
        for process in processes:
            assert process.communicate(timeout=30)[0].startswith(b'{"result"')


def test_a_full_queue_and_a_slow_engine() -> None:
    with serving(PaintingEngine(capacity=0)) as live:
        told = problem(live.http.post(RUN, files=multipart(prompt="x")))
        assert told == (429, 3040, "AiError: AiError: Capacity temporarily exceeded, please try again.")
    with serving(PaintingEngine(seconds=30), request_timeout_seconds=0.2) as live:
        told = problem(live.http.post(RUN, files=multipart(prompt="x")))
        assert told == (408, 3046, "AiError: AiError: Request timeout")
        assert (live.engine.cancelled, live.engine.running) == (1, 0)


def test_models_search(server: LiveServer) -> None:
    response = server.http.get("/client/v4/accounts/a/ai/models/search")
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert "cf-ai-req-id" not in response.headers
    assert body["result_info"] == {"count": 3, "page": 1, "per_page": 50, "total_count": 3}
    model = body["result"][2]
    assert (model["name"], model["source"], model["task"]["name"]) == (MODEL, 1, "Text-to-Image")
    properties = {entry["property_id"]: entry["value"] for entry in model["properties"]}
    assert properties["alpenglow_weights"] == "demo"
    assert properties["terms"] == "https://example.org/terms"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("search=9B", ["klein-9b"]),
        ("search=nothing", []),
        ("task=Text-to-Image&author=black-forest-labs", ["demo", "klein-4b", "klein-9b"]),
        ("task=Text to Image", []),
        ("author=meta", []),
        ("hide_experimental=true&include_deprecated=true&source=1", ["demo", "klein-4b", "klein-9b"]),
        ("per_page=2", ["demo", "klein-4b"]),
        ("per_page=2&page=2", ["klein-9b"]),
        ("per_page=2&page=3", []),
    ],
)
def test_searching_and_paging(server: LiveServer, query: str, names: list[str]) -> None:
    found = server.http.get(f"/client/v4/accounts/a/ai/models/search?{query}").json()["result"]
    assert [model["name"].removeprefix("@cf/black-forest-labs/flux-2-") for model in found] == names


def test_equal_requests_have_different_ids(server: LiveServer) -> None:
    ids = {server.http.post(RUN, content=form(("prompt", "x"))).headers["cf-ai-req-id"] for _ in range(2)}
    assert len(ids) == 2


def test_references_steer(server: LiveServer) -> None:
    fields = {"prompt": "x", "seed": "1"}
    answers = [server.http.post(RUN, data=fields, files={"input_image_0": png(colour=c)}) for c in ("red", "blue")]
    one, other = (np.asarray(picture(answer)) for answer in answers)
    assert not np.array_equal(one, other)
