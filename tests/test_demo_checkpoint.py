"""The bundled checkpoint: small, read by diffusers as it is, and steered by its references."""

import warnings
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from alpenglow.catalogue import find
from alpenglow.cli.background import Server, serving
from alpenglow.engine.pipeline import Pipeline
from alpenglow.request import RGB, GenerationRequest
from alpenglow.weights import hub

ROW = find("demo")
FOLDER = hub.BUNDLED / "demo"
RUN = "/client/v4/accounts/local/ai/run/@cf/black-forest-labs/flux-2-klein-9b"
EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    files = hub.find("demo", None)
    assert files is not None
    return Pipeline.load(ROW, files, device="cpu")


@pytest.fixture(scope="module")
def theirs():
    from diffusers import Flux2KleinPipeline

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of diffusers and transformers while they load
        pipeline = Flux2KleinPipeline.from_pretrained(FOLDER, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def example(name: str) -> RGB:
    return np.asarray(Image.open(EXAMPLES / f"{name}.png").convert("RGB"))


def make(pipeline: Pipeline, prompt: str, seed: int = 3, references: tuple[RGB, ...] = ()) -> RGB:
    return pipeline.draw(GenerationRequest("demo", prompt, 256, 320, seed=seed, references=references))


def test_is_at_most_forty_megabytes():
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) <= 40e6


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("a sunset at the alps", ()),
        ("take the subject of image 1 and style it like image 0", ("style", "subject")),
    ],
)
def test_gives_the_same_picture_in_diffusers(pipeline, theirs, prompt, names):
    references = tuple(example(name) for name in names)
    ours = make(pipeline, prompt, references=references)
    their_picture = theirs(
        image=[Image.fromarray(image) for image in references] or None,
        prompt=prompt,
        width=256,
        height=320,
        num_inference_steps=4,
        guidance_scale=1.0,
        generator=torch.Generator("cpu").manual_seed(3),
        max_sequence_length=ROW.architecture.max_text_tokens,
        text_encoder_out_layers=ROW.architecture.text_encoder.taps,
    ).images[0]
    # One of 255: both round the same fp32 picture, whose last bits differ by the order of sums.
    assert np.abs(np.asarray(their_picture).astype(int) - ours.astype(int)).max() <= 1


def test_prompt_seed_and_references_each_change_the_picture(pipeline):
    plain = make(pipeline, "a sunset at the alps").astype(int)
    edit = "take the subject of image 1 and style it like image 0"
    style, subject = example("style"), example("subject")
    first = make(pipeline, edit, references=(style, subject)).astype(int)
    pairs = [
        (plain, make(pipeline, "a dog")),
        (plain, make(pipeline, "a sunset at the alps", seed=4)),
        (first, make(pipeline, edit, references=(subject, style))),
    ]
    for a, b in pairs:
        assert np.abs(a - b.astype(int)).mean() > 1


def test_the_same_seed_gives_the_same_picture(pipeline):
    assert np.array_equal(make(pipeline, "a dog"), make(pipeline, "a dog"))


def test_over_http_a_seed_gives_its_bytes_again_and_after_a_restart(monkeypatch, tmp_path):
    monkeypatch.setenv("ALPENGLOW_MODELS_DIR", str(tmp_path))

    def ask(server: Server, **fields: str) -> str:
        form = {"prompt": (None, "a dog"), "width": (None, "256"), "height": (None, "256")}
        form |= {name: (None, value) for name, value in fields.items()}
        return httpx.post(server.url + RUN, files=form, timeout=60).json()["result"]["image"]

    with serving(["--log-level", "warning"]) as server:
        first, again, other, another = ask(server, seed="7"), ask(server, seed="7"), ask(server), ask(server)
    with serving(["--log-level", "warning"]) as server:
        restarted = ask(server, seed="7")
    assert first == again == restarted
    assert len({first, other, another}) == 3
