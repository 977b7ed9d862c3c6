"""The pipeline draws the pictures of diffusers' klein pipelines, and the same picture in any company."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinKVPipeline, Flux2KleinPipeline
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from PIL import Image
from torch import Tensor

from alpenglow.catalogue import Row, find
from alpenglow.engine.pipeline import Pipeline, Sample, draw_noise
from alpenglow.engine.preview import shrink
from alpenglow.models.autoencoder import AutoEncoder, AutoEncoderConfig, unpatchify
from alpenglow.models.text_encoder import TextEncoder, TextEncoderConfig
from alpenglow.models.tokens import image_ids, text_ids, to_latents, to_tokens
from alpenglow.models.transformer import Flux2Transformer, TransformerConfig
from alpenglow.request import RGB, GenerationRequest
from alpenglow.training.vocabulary import fit_tokenizer
from alpenglow.weights.hub import Files
from alpenglow.weights.networks import Architecture
from alpenglow.weights.pipeline_folder import SCHEDULER, save_pipeline
from oracles import Meets, randomise, transformer_pair

TEXT = TextEncoderConfig(
    vocab_size=300, hidden_size=24, intermediate_size=48, num_heads=3, num_kv_heads=1, head_dim=8, taps=(1, 2, 3)
)
SMALL = Architecture(
    TransformerConfig(
        hidden_size=64,
        num_heads=2,
        num_double_blocks=1,
        num_single_blocks=2,
        context_dim=TEXT.context_dim,
        in_channels=32,
        axes_dim=(8, 8, 8, 8),
    ),
    AutoEncoderConfig(
        channels=(4, 4, 8, 8, 8, 8),
        decoder_channels=(4, 4, 8, 8, 8, 16),
        layers_per_block=1,
        latent_channels=8,
        norm_groups=2,
    ),
    TEXT,
    max_text_tokens=24,
)
"""The demo's shape, 64 pixels a token, but smaller."""

ROW = replace(find("demo"), architecture=SMALL)
BASE = replace(ROW, steps=6, distilled=False, default_guidance=4.0)
KV = replace(ROW, kv=True)

PROMPT = "a sunset at the alps"
SIZES = ((256, 320), (64, 128), (200, 150), (129, 65))
"""Height and width of references; the last two are cropped at their centre to (192, 128) and (128, 64)."""
REFERENCES = tuple(np.random.default_rng(i).integers(50 * i, 50 * i + 99, (*SIZES[i], 3), np.uint8) for i in range(4))
"""From dark to light."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    networks = Flux2Transformer(SMALL.transformer), AutoEncoder(SMALL.autoencoder), TextEncoder(SMALL.text_encoder)
    save_pipeline(folder, *map(randomise, networks), dtype=torch.float32)
    fit_tokenizer([PROMPT, "the sun over the mountains"], TEXT.vocab_size, folder / "tokenizer")
    return folder


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Pipeline:
    return Pipeline.load(ROW, Files.in_folder(folder), device="cpu")


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Flux2KleinPipeline:
    return Flux2KleinPipeline.from_pretrained(folder)


class TestAgainstDiffusers:
    """Same weights, same seed of a CPU generator: latents equal but for rounding, pixels within 1 of 255."""

    @pytest.mark.parametrize("size", [(256, 256), (512, 256), (256, 704)])
    @pytest.mark.parametrize("prompt", [PROMPT, "", "many words " * 20])
    def test_text_to_image(self, pipeline, theirs, prompt, size, meets) -> None:
        request = ask(prompt, *size)
        compare(pipeline, theirs, request, meets)

    @pytest.mark.parametrize("number", [1, 2, 3, 4])
    def test_references_of_unequal_size(self, pipeline, theirs, number, meets) -> None:
        compare(pipeline, theirs, ask(references=REFERENCES[:number]), meets)
        compare(pipeline, theirs, ask(references=REFERENCES[::-1][:number]), meets)

    @pytest.mark.parametrize("guidance", [None, 1.0, 2.5])
    def test_a_base_row_is_guided_by_two_passes(self, pipeline, theirs, guidance, meets) -> None:
        base = Pipeline(BASE, pipeline.networks)
        undistilled = Flux2KleinPipeline(**theirs.components, is_distilled=False)
        compare(base, undistilled, ask(guidance=guidance, references=REFERENCES[:2]), meets)

    def test_guidance_of_a_distilled_row_is_two_passes_too(self, pipeline, theirs, meets) -> None:
        undistilled = Flux2KleinPipeline(**theirs.components, is_distilled=False)
        compare(pipeline, undistilled, ask(guidance=3.0), meets)

    @pytest.mark.parametrize("number", [0, 1, 2, 4])
    def test_a_row_that_keeps_keys_and_values(self, pipeline, folder, number, meets) -> None:
        keeping = Pipeline(KV, pipeline.networks)
        theirs = Flux2KleinKVPipeline.from_pretrained(folder)
        compare(keeping, theirs, ask(references=REFERENCES[:number]), meets)

    @pytest.mark.parametrize(("height", "width"), [(256, 256), (320, 1920)])
    def test_noise(self, theirs, height, width) -> None:
        channels, grid = (
            SMALL.autoencoder.token_channels,
            (height // ROW.pixels_per_token, width // ROW.pixels_per_token),
        )
        generator = torch.Generator("cpu").manual_seed(7)
        noise, _ = theirs.prepare_latents(1, channels // 4, height, width, torch.float32, "cpu", generator)
        assert torch.equal(to_tokens(draw_noise(7, channels, *grid)), noise)


def test_guidance_that_the_network_reads(pipeline: Pipeline, tmp_path: Path, meets: Meets) -> None:
    """A row like dev, against diffusers' transformer and scheduler: its own pipeline needs Mistral."""
    config = replace(SMALL.transformer, guidance_embed=True)
    ours, theirs = transformer_pair(config, tmp_path)
    row = replace(BASE, guidance="embedded", architecture=replace(SMALL, transformer=config))
    embedding = Pipeline(row, replace(pipeline.networks, transformer=ours))

    request = ask(guidance=2.5)
    sample = embedding.prepare(request)
    assert sample.empty_text is None
    x, (height, width) = sample.x, sample.grid
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(SCHEDULER)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / 6, 6), mu=compute_empirical_mu(height * width, 6))
    ids = image_ids(height, width), text_ids(SMALL.max_text_tokens)
    with torch.inference_mode():
        for t in scheduler.timesteps:
            v = theirs(x, sample.text, t[None] / 1000, *ids, torch.tensor([2.5])).sample
            x = scheduler.step(v, t, x).prev_sample
    meets(draw(embedding, request).x, x)
    assert (draw(embedding, ask(guidance=None)).x - x).abs().max() > 0.01


class TestCompany:
    """Rows of one batch are those of solo runs. Bound by rounding: kernels cut a larger batch into other blocks."""

    @pytest.mark.parametrize("references", [(), REFERENCES[:2]], ids=["text", "references"])
    @pytest.mark.parametrize("guided", [False, True])
    def test_rows_of_a_batch(self, pipeline, references, guided) -> None:
        """Prompts of unequal length, seeds, strengths of guidance and references of their own."""
        requests = [
            ask(prompt, seed=seed, guidance=2.0 + seed if guided else None, references=turned(references, seed))
            for seed, prompt in enumerate([PROMPT, "", "the sun over the mountains"])
        ]
        together = [pipeline.prepare(request) for request in requests]
        assert len({pipeline.batch_key(request) for request in requests}) == 1
        while not together[0].done:
            pipeline.advance(together)
        for sample, request in zip(together, requests, strict=True):
            same_picture(pipeline, sample, draw(pipeline, request))

    def test_rows_that_join_and_leave_between_steps(self, pipeline) -> None:
        requests = [ask(seed=seed) for seed in range(3)]
        waiting = [pipeline.prepare(request) for request in requests]
        under_way: list[Sample] = []
        ticks = 0
        while waiting or any(not sample.done for sample in under_way):
            under_way += waiting[:1]
            waiting = waiting[1:]
            pipeline.advance([sample for sample in under_way if not sample.done])
            ticks += 1
        assert ticks == 6
        for sample, request in zip(under_way, requests, strict=True):
            same_picture(pipeline, sample, draw(pipeline, request))

    def test_who_may_share_a_forward(self, pipeline) -> None:
        keeping = Pipeline(KV, pipeline.networks)
        alike = {
            pipeline.batch_key(ask()),
            pipeline.batch_key(ask("other", seed=1)),
            pipeline.batch_key(ask(guidance=1.0)),
        }
        assert len(alike) == 1
        guided = {pipeline.batch_key(ask(guidance=3.0)), pipeline.batch_key(ask(guidance=2.0))}
        assert len(guided) == 1
        others = {
            pipeline.batch_key(ask(width=512)),
            pipeline.batch_key(ask(references=REFERENCES[:1])),
            pipeline.batch_key(ask(references=REFERENCES[1:2])),
            pipeline.batch_key(ask(references=REFERENCES[:2])),
        }
        assert len(alike | guided | others) == 6
        first, again, other = (
            keeping.batch_key(ask(prompt, references=references))
            for prompt, references in (
                ("", REFERENCES[:1]),
                (PROMPT, REFERENCES[:1]),
                (PROMPT, turned(REFERENCES[:1], 1)),
            )
        )
        assert first == again != other


class TestNothingTwice:
    """What is known is not computed again, and is what would have been computed."""

    @pytest.fixture(params=[ROW, KV], ids=["plain", "kv"])
    def fresh(self, pipeline, request) -> Callable[[], Pipeline]:
        return lambda: Pipeline(request.param, pipeline.networks)

    def test_a_repeated_request_takes_no_time_of_text_encoder_and_references(self, fresh) -> None:
        ours = fresh()
        request = ask(references=REFERENCES[:2], guidance=2.0)
        first = draw(ours, request)
        assert min(first.seconds["text_encoder"], first.seconds["references"]) > 0
        again = draw(ours, replace(request, references=tuple(image.copy() for image in REFERENCES[:2])))
        assert again.seconds == {}
        assert torch.equal(first.x, again.x)

    def test_parts_are_shared_by_requests_that_differ(self, fresh) -> None:
        ours = fresh()
        draw(ours, ask(references=REFERENCES[:2]))
        requests = [
            ask(references=REFERENCES[:2], seed=9, width=320),
            ask("other", references=REFERENCES[:2]),
            ask("", references=REFERENCES[1:2]),
        ]
        for request in requests:
            kept, alone = draw(ours, request), draw(fresh(), request)
            assert kept.seconds.keys() < alone.seconds.keys() or (ours.row.kv and "references" in kept.seconds)
            assert torch.equal(kept.x, alone.x)

    def test_who_shares_a_memory_may_share_a_forward(self, pipeline) -> None:
        keeping = Pipeline(KV, pipeline.networks)
        requests = [ask(prompt, seed=seed, references=REFERENCES[:2]) for seed, prompt in enumerate([PROMPT, "", "x"])]
        together = [keeping.prepare(request) for request in requests]
        while not together[0].done:
            keeping.advance(together)
        for sample, request in zip(together, requests, strict=True):
            same_picture(keeping, sample, draw(Pipeline(KV, pipeline.networks), request))

    def test_other_pixels_are_other_references(self, fresh) -> None:
        ours = fresh()
        one, other = (draw(ours, ask(references=turned(REFERENCES[:1], number))) for number in (0, 1))
        assert "references" in other.seconds
        assert (one.x - other.x).abs().max() > 0.01

    def test_only_the_row_made_for_it_keeps_keys_and_values(self, pipeline) -> None:
        plain, keeping = (Pipeline(row, pipeline.networks).prepare(ask(references=REFERENCES[:1])) for row in (ROW, KV))
        assert plain.memory is None
        assert keeping.memory is not None

    def test_the_cache_keeps_within_its_bytes(self, pipeline) -> None:
        small = Pipeline(ROW, pipeline.networks, cache_bytes=30_000)
        for seed in range(4):
            draw(small, ask(str(seed), references=turned(REFERENCES[:1], seed)))
        assert 0 < small.conditioning.cache.bytes <= 30_000


class TestPictures:
    def test_the_same_seed_gives_the_same_bytes(self, pipeline, folder) -> None:
        request = ask(references=REFERENCES[:2])
        first = picture(pipeline, request)
        again = Pipeline.load(ROW, Files.in_folder(folder), device="cpu")
        again.warm_up()
        assert first.tobytes() == picture(pipeline, request).tobytes() == picture(again, request).tobytes()
        assert first.tobytes() != picture(pipeline, ask(seed=6, references=REFERENCES[:2])).tobytes()

    @pytest.mark.parametrize("row", [ROW, KV], ids=["plain", "kv"])
    def test_what_is_compiled_is_warmed_up_for_one_and_for_two(self, pipeline, row, monkeypatch) -> None:
        ours = Pipeline(row, pipeline.networks, plan=replace(pipeline.plan, compile=True))
        seen, advance = [], ours.advance
        monkeypatch.setattr(ours, "advance", lambda samples: (seen.append(len(samples)), advance(samples)))
        monkeypatch.setattr("alpenglow.engine.pipeline.COMMON_SIZES", ((512, 256), (256, 256)))
        ours.warm_up()
        assert (set(seen), seen[-1]) == ({1, 2}, 2)
        assert seen.count(2) == (2 if row.kv else 1)

    def test_a_size_off_the_grid_is_the_centre_of_the_next_larger(self, pipeline) -> None:
        small, large = picture(pipeline, ask(width=300, height=272)), picture(pipeline, ask(width=320, height=320))
        assert small.shape == (272, 288, 3)
        assert np.array_equal(small, large[24:-24, 16:-16])

    def test_a_reference_below_the_grid_is_enlarged(self, pipeline) -> None:
        """diffusers refuses it; here 40 x 100 becomes 64 x 160, and its centre two tokens."""
        tiny = REFERENCES[0][:40, :100]
        large = np.asarray(Image.fromarray(tiny).resize((160, 64), Image.Resampling.LANCZOS))
        assert pipeline.prepare(ask(references=(tiny,))).references.shape[1] == 2
        assert np.array_equal(
            picture(pipeline, ask(references=(tiny,))), picture(pipeline, ask(references=(large[:, 16:-16],)))
        )

    def test_prompt_and_every_reference_count(self, pipeline) -> None:
        requests = [ask("other"), ask(""), *(ask(references=REFERENCES[:number]) for number in range(5))]
        latents = torch.cat([draw(pipeline, request).x for request in [*requests, ask(references=REFERENCES[::-1])]])
        differences = torch.cdist(latents.flatten(1), latents.flatten(1), p=torch.inf)
        assert differences.fill_diagonal_(1).min() > 0.01

    @pytest.mark.parametrize("row", [ROW, KV], ids=["plain", "kv"])
    def test_guidance_away_from_the_empty_prompt_leaves_the_empty_prompt_alone(self, pipeline, row) -> None:
        other = Pipeline(row, pipeline.networks)
        guided, plain = (draw(other, ask("", guidance=g, references=REFERENCES[:2])).x for g in (3.0, 1.0))
        assert torch.equal(guided, plain)

    def test_guidance_can_be_ignored_on_distilled_rows_only(self, pipeline) -> None:
        deaf = Pipeline(ROW, pipeline.networks, ignore_guidance=True)
        assert np.array_equal(picture(deaf, ask(guidance=3.0)), picture(pipeline, ask()))
        base, deaf_base = (Pipeline(BASE, pipeline.networks, ignore_guidance=deaf) for deaf in (False, True))
        assert np.array_equal(picture(deaf_base, ask(guidance=3.0)), picture(base, ask(guidance=3.0)))


@pytest.mark.parametrize(
    ("row", "guidance", "forwards"),
    [
        (ROW, None, 4),
        (ROW, 1.0, 4),
        (ROW, 3.0, 8),
        (BASE, None, 12),
        (BASE, 1.0, 6),
        (replace(BASE, guidance="embedded"), 3.0, 6),
    ],
)
def test_cost_is_tokens_times_forwards(pipeline: Pipeline, row: Row, guidance: float | None, forwards: int) -> None:
    priced = Pipeline(row, pipeline.networks)
    text = SMALL.max_text_tokens
    assert priced.work(ask(width=300, height=256, guidance=guidance)) == (text + 5 * 4) * forwards
    with_references = ask(references=REFERENCES, guidance=guidance)
    tokens = text + 4 * 4 + (4 * 5 + 1 * 2 + 3 * 2 + 2 * 1)
    assert priced.work(with_references) == tokens * forwards
    assert pipeline.tokens(with_references) == tokens


def test_where_memory_is_short_it_is_tried_again_without_what_was_kept(pipeline: Pipeline, monkeypatch) -> None:
    short, request = Pipeline(ROW, pipeline.networks), ask(references=REFERENCES[:1])
    expected = picture(short, request)
    autoencoder = short.networks.autoencoder
    for owner, name in ((short, "forward"), (autoencoder, "encode"), (autoencoder, "decode")):
        short.make_room()
        assert short.cache_status().bytes == 0
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, refusing(getattr(owner, name), times=1))
            np.testing.assert_array_equal(picture(short, request), expected)
    monkeypatch.setattr(autoencoder, "decode", refusing(autoencoder.decode, times=2))
    with pytest.raises(torch.OutOfMemoryError):
        picture(short, request)


def test_where_memory_is_short_for_several_they_are_advanced_in_halves(pipeline: Pipeline, monkeypatch) -> None:
    short, rows = Pipeline(ROW, pipeline.networks), []
    alone = [picture(short, ask(seed=seed)) for seed in range(3)]
    samples = [short.prepare(ask(seed=seed)) for seed in range(3)]

    def forward(img: Tensor, *args: object, **kwargs: object) -> Tensor:
        rows.append(len(img))
        if len(img) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return short.networks.transformer(img, *args, **kwargs)

    monkeypatch.setattr(short, "forward", forward)
    short.advance(samples)
    assert rows == [3, 3, 1, 2, 2, 1, 1]
    assert [sample.step for sample in samples] == [1, 1, 1]
    while not samples[0].done:
        short.advance(samples)
    for sample, expected in zip(samples, alone, strict=True):
        np.testing.assert_array_equal(short.decode(sample), expected)


def refusing(forward: Callable[..., Tensor], times: int) -> Callable[..., Tensor]:
    """Has too little memory at first."""
    left = list(range(times))

    def call(*args: object, **kwargs: object) -> Tensor:
        if left:
            left.pop()
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(*args, **kwargs)

    return call


def test_the_end_of_a_prompt_that_is_not_read_is_told(pipeline: Pipeline) -> None:
    assert pipeline.prepare(ask()).notes == ()
    (note,) = pipeline.prepare(ask(f"{PROMPT} " * 40)).notes
    assert "24 tokens, so the end of the prompt was not read: " in note
    assert note.endswith("...")


def test_a_preview_is_what_the_step_aims_at(pipeline: Pipeline) -> None:
    """After the last step that is the picture itself; and asking for previews changes nothing."""
    watched, plain = (pipeline.prepare(replace(ask(), previews=previews)) for previews in (True, False))
    assert pipeline.preview(watched) is None
    seen = []
    while not plain.done:
        pipeline.advance([watched, plain])
        seen.append(pipeline.preview(watched))
        assert pipeline.preview(plain) is None
    picture = pipeline.decode(plain)
    np.testing.assert_array_equal(pipeline.decode(watched), picture)
    assert all((a != b).any() for a, b in itertools.pairwise(seen))
    assert np.abs(seen[-1].astype(int) - picture).max() <= 1  # decoded from a batch of one either way


@pytest.mark.parametrize(
    ("size", "shown"),
    [((256, 256), (256, 256)), ((1024, 1024), (256, 256)), ((1920, 320), (256, 64)), ((1000, 304), (248, 61))],
)
def test_a_preview_is_small(pipeline: Pipeline, size: tuple[int, int], shown: tuple[int, int]) -> None:
    sample = pipeline.prepare(replace(ask(width=size[0], height=size[1]), previews=True))
    pipeline.advance([sample])
    preview = pipeline.preview(sample)
    assert preview.shape[1::-1] == shown


def test_a_shrunk_latent_is_the_average_of_its_neighbours() -> None:
    latents = torch.randn(1, 8, 4, 8)
    small = shrink(latents, 4)
    assert small.shape == (1, 8, 2, 4)
    torch.testing.assert_close(unpatchify(small), torch.nn.functional.avg_pool2d(unpatchify(latents), 2))
    assert shrink(latents, 8) is latents


def ask(
    prompt: str = PROMPT,
    width: int = 256,
    height: int = 256,
    *,
    seed: int = 5,
    guidance: float | None = None,
    references: Sequence[RGB] = (),
) -> GenerationRequest:
    return GenerationRequest(ROW.name, prompt, width, height, seed, guidance, tuple(references))


def draw(pipeline: Pipeline, request: GenerationRequest) -> Sample:
    """A finished sample of a solo run."""
    sample = pipeline.prepare(request)
    while not sample.done:
        pipeline.advance([sample])
    return sample


def picture(pipeline: Pipeline, request: GenerationRequest) -> RGB:
    return pipeline.decode(draw(pipeline, request))


def turned(references: Sequence[RGB], number: int) -> tuple[RGB, ...]:
    """Other references of the same sizes."""
    return tuple(np.roll(reference, 50 * number, axis=(0, 2)) for reference in references)


def compare(
    ours: Pipeline, theirs: Flux2KleinPipeline | Flux2KleinKVPipeline, request: GenerationRequest, meets: Meets
) -> None:
    """One request to both, once for the latents and once for the picture."""
    sample = draw(ours, request)
    latents = unpatchify(ours.networks.autoencoder.denormalise(to_latents(sample.x, *sample.grid)))
    # References came through two autoencoders in fp32, apart by up to 5e-6: see tests/models/test_autoencoder.py.
    meets(latents, call(theirs, request, ours.row, "latent"), within=1e-5)
    expected = call(theirs, request, ours.row, "np")[0]
    difference = np.abs(ours.decode(sample).astype(int) - (expected * 255).round().astype(int))
    print(f"{(difference > 0).mean():.2%} of the bytes differ")
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def call(
    theirs: Flux2KleinPipeline | Flux2KleinKVPipeline, request: GenerationRequest, row: Row, output_type: str
) -> Tensor | RGB:
    theirs.set_progress_bar_config(disable=True)
    guidance = row.default_guidance if request.guidance is None else request.guidance
    return theirs(
        image=[Image.fromarray(reference) for reference in request.references] or None,
        prompt=request.prompt,
        width=request.width,
        height=request.height,
        num_inference_steps=row.steps,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        max_sequence_length=SMALL.max_text_tokens,
        text_encoder_out_layers=TEXT.taps,
        output_type=output_type,
        **({"guidance_scale": guidance} if isinstance(theirs, Flux2KleinPipeline) else {}),
    ).images


def same_picture(pipeline: Pipeline, one: Sample, other: Sample) -> None:
    assert (one.x - other.x).abs().max() <= 1e-5
    pixels = [pipeline.decode(sample).astype(int) for sample in (one, other)]
    assert np.abs(pixels[0] - pixels[1]).max() <= 1
