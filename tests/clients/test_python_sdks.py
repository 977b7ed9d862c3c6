"""Cloudflare's and OpenAI's packages from PyPI, told nothing but another base URL."""

import base64

import cloudflare
import openai
import pytest
from answers import ACCOUNT, MODEL, TOKEN, picture


@pytest.fixture
def client(server):
    with cloudflare.Cloudflare(api_token=TOKEN, base_url=f"{server.url}/client/v4", max_retries=0) as client:
        yield client


def test_run(client):
    answer = client.ai.run(MODEL, account_id=ACCOUNT, prompt="a sunset", width=256, height=320)
    assert picture(answer["image"]).size == (256, 320)


def test_run_as_a_form(client):
    """The way to klein as Cloudflare serves it: real multipart, of text fields."""
    answer = client.ai.run(
        MODEL,
        account_id=ACCOUNT,
        prompt="a sunset",
        width=256,
        height=320,
        extra_headers={"Content-Type": "multipart/form-data"},
    )
    assert picture(answer["image"]).size == (256, 320)


def test_run_with_a_picture_as_text(client, references):
    """The SDK cannot send bytes here, but base64 passes for text."""
    encoded = base64.b64encode(references[0].read_bytes()).decode()
    answers = [
        client.ai.run(MODEL, account_id=ACCOUNT, prompt="a dog", width=256, height=256, seed=7, extra_body=more)
        for more in ({}, {"input_image_0": encoded}, {"input_image_0": f"data:image/png;base64,{encoded}"})
    ]
    plain, edited, again = (picture(answer["image"]).tobytes() for answer in answers)
    assert plain != edited
    assert edited == again


def test_low_level_post_with_files(client, references):
    style, subject = references
    answer = client.post(
        f"/accounts/{ACCOUNT}/ai/run/{MODEL}",
        cast_to=object,
        body={"prompt": "take the subject of image 1 and style it like image 0", "width": "256", "height": "256"},
        files={
            "input_image_0": (style.name, style.read_bytes(), "image/png"),
            "input_image_1": (subject.name, subject.read_bytes(), "image/jpeg"),
        },
        options={"headers": {"Content-Type": "multipart/form-data"}},
    )
    assert picture(answer["result"]["image"]).size == (256, 256)


def test_an_error_is_the_sdks_own(client):
    with pytest.raises(cloudflare.BadRequestError) as raised:
        client.ai.run(MODEL, account_id=ACCOUNT, prompt="a sunset", width=20)
    (error,) = raised.value.body["errors"]
    assert error["code"] == 5006
    assert "'/width' must be >= 256" in error["message"]
    assert raised.value.response.headers["cf-ai-req-id"] in error["message"]


def test_a_wrong_token_is_refused(client):
    with pytest.raises(cloudflare.AuthenticationError):
        client.with_options(api_token="another").ai.run(MODEL, account_id=ACCOUNT, prompt="a sunset")


def test_the_list_of_models_ends(client):
    names = [model["name"] for model in client.ai.models.list(account_id=ACCOUNT, per_page=2)]
    assert MODEL in names
    assert len(names) == len(set(names)) > 2


def test_a_models_schema(client):
    schema = client.ai.models.schema.get(account_id=ACCOUNT, model=MODEL)
    assert "prompt" in schema.input.properties
    assert "image" in schema.output.properties


@pytest.fixture
def openai_client(server):
    with openai.OpenAI(api_key=TOKEN, base_url=f"{server.url}/v1", max_retries=0) as client:
        yield client


def test_openai_generates(openai_client):
    answer = openai_client.images.generate(
        model=MODEL, prompt="a sunset", size="256x256", n=2, response_format="b64_json", extra_body={"seed": 7}
    )
    first, second = (picture(item.b64_json, "PNG") for item in answer.data)
    assert first.size == second.size == (256, 256)
    assert first.tobytes() != second.tobytes()


def test_openai_edits(openai_client, references):
    with references[0].open("rb") as style, references[1].open("rb") as subject:
        answer = openai_client.images.edit(
            model=MODEL,
            image=[style, subject],
            prompt="style image 1 like image 0",
            size="256x256",
            output_format="jpeg",
        )
    assert picture(answer.data[0].b64_json).size == (256, 256)


def test_openai_lists_models(openai_client):
    assert "flux-2-klein-9b" in [model.id for model in openai_client.models.list()]


def test_openai_errors_are_its_own(openai_client):
    with pytest.raises(openai.BadRequestError):
        openai_client.images.generate(model=MODEL, prompt="a sunset", size="20x20")
