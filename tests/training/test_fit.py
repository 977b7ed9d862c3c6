"""Every stage of training on small networks and made-up pictures: it learns, it resumes, it exports."""

import copy
import csv
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from typer import BadParameter

from alpenglow.catalogue import find
from alpenglow.models.autoencoder import AutoEncoder, AutoEncoderConfig
from alpenglow.models.schedule import timesteps
from alpenglow.models.tokens import to_tokens
from alpenglow.training.__main__ import main
from alpenglow.training.batches import Batch
from alpenglow.training.crops import CropPool, encode_stack, measure_latents, to_signed
from alpenglow.training.fit_decoder import DecoderPlan, fit_decoder
from alpenglow.training.fit_flow import Flow, FlowPlan, blend, fit_flow, inputs_of, rotary_of
from alpenglow.training.fit_flow import losses as flow_losses
from alpenglow.training.linear_start import LinearEncoder, channel_weights, start_linear
from alpenglow.training.run import Average, Run
from alpenglow.training.vocabulary import fit_tokenizer
from alpenglow.weights import hub
from alpenglow.weights.networks import load_networks
from alpenglow.weights.tokenizer import Tokenizer
from oracles import normal

AUTOENCODER = AutoEncoderConfig(
    channels=(8, 12, 16), decoder_channels=(8, 12, 16), layers_per_block=1, latent_channels=6, norm_groups=1
)
WORDS = ("dog", "cat", "house", "tree")


@pytest.fixture(scope="module")
def stack() -> NDArray[np.uint8]:
    """48 pictures of soft blobs, 32 pixels a side."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] / 32
    blobs = []
    for _ in range(48):
        centre, width, colour = rng.random(2), rng.uniform(0.05, 0.3), rng.random(3)
        shape = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / width)
        blobs.append(255 * (1 - shape[..., None] * (1 - colour)))
    return np.stack(blobs).astype(np.uint8)


@pytest.fixture
def autoencoder(stack: NDArray[np.uint8]) -> AutoEncoder:
    torch.manual_seed(0)
    model = AutoEncoder(AUTOENCODER)
    start_linear(model, [to_signed(stack)])
    return model


def psnr(model: AutoEncoder, stack: NDArray[np.uint8]) -> float:
    with torch.no_grad():
        image = to_signed(stack)
        return float(-10 * ((model.decode(model.encode(image)) - image) / 2).square().mean().log10())


def losses(folder: Path) -> list[float]:
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_the_linear_start_whitens_latents_and_keeps_the_colours(
    autoencoder: AutoEncoder, stack: NDArray[np.uint8]
) -> None:
    latents = encode_stack(autoencoder, stack).float()
    spread = latents.transpose(0, 1).flatten(1).std(1)
    assert torch.allclose(spread, torch.ones(6), atol=0.05)  # the norm's divisor moves by up to a percent
    measure_latents(autoencoder, [latents])
    assert psnr(autoencoder, stack) > 20
    weights = channel_weights(autoencoder)
    assert weights.shape == (AUTOENCODER.token_channels,)
    assert weights[0] > weights[-1] > 0


def test_one_matrix_encodes_as_the_bundled_encoder_does() -> None:
    files = hub.find("demo", None)
    assert files is not None
    model = load_networks(find("demo").architecture, files, torch.float32).autoencoder
    pictures = torch.rand(2, 3, 128, 192, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        difference = LinearEncoder.of(model)(pictures) - model.encode(pictures)
    # Latents are kept in fp16, which rounds those of the largest size, 8, by as much.
    assert difference.abs().max() < 0.004


def test_the_decoder_learns_details_and_resumes(
    autoencoder: AutoEncoder, stack: NDArray[np.uint8], tmp_path: Path
) -> None:
    latents = encode_stack(autoencoder, stack)
    measure_latents(autoencoder, [latents])
    before, pool = psnr(autoencoder, stack), CropPool([stack], [latents])
    plan = DecoderPlan(steps=60, batch=8, side=32, latent_noise=0.0)
    fit_decoder(autoencoder, pool, Run(tmp_path), plan)
    assert psnr(autoencoder, stack) > before + 1
    again = AutoEncoder(AUTOENCODER)
    fit_decoder(again, pool, Run(tmp_path), plan)  # nothing is left to do but to take the average
    assert torch.equal(again.decoder.conv_in.weight, autoencoder.decoder.conv_in.weight)


def test_the_flow_learns_what_words_mean(
    autoencoder: AutoEncoder, small_flow: Callable[[int], Flow], tmp_path: Path
) -> None:
    fit_tokenizer([f"a {word}" for word in WORDS] * 4, 300, tmp_path / "tokenizer")
    tokenizer = Tokenizer.from_folder(tmp_path / "tokenizer", 8)
    latents = torch.from_numpy(np.random.default_rng(0).standard_normal((4, AUTOENCODER.token_channels, 2, 2))).float()
    ids, mask = tokenizer.encode([*(f"a {word}" for word in WORDS), ""])

    def draw(rng: np.random.Generator, budget: int) -> Batch:
        rows = torch.from_numpy(rng.integers(len(WORDS), size=budget))
        words = torch.cat([rows, torch.tensor([len(WORDS)])])
        references = [latents[rows - 1]] if rng.random() < 0.5 else []
        return Batch(ids[words], mask[words], latents[rows], references, rows[:, None].numpy())

    flow = small_flow(AUTOENCODER.token_channels)
    weights = channel_weights(autoencoder)
    plan = FlowPlan(steps=301, batch=8, learning_rate=5e-3, averaging=0.9, first_alone=0.5)
    fit_flow(flow, draw, weights, Run(tmp_path / "flow"), plan, "cpu")
    curve = losses(tmp_path / "flow")
    assert len(curve) == 4
    assert curve[-1] < curve[0] / 2
    batch = draw(np.random.default_rng(0), 4)
    assert distance_after_sampling(flow, batch) < 0.3  # noise is at 2, the mean of all pictures at 0.75

    before = copy.deepcopy(flow)
    fit_flow(flow, draw, weights, Run(tmp_path / "more"), replace(plan, steps=3, words=False), "cpu")
    changed = {name for name, p in before.named_parameters() if not torch.equal(p, flow.get_parameter(name))}
    assert {name.partition(".")[0] for name in changed} == {"transformer"}
    assert all(p.requires_grad for p in flow.parameters())


def test_a_thing_counts_as_much_in_a_large_frame(small_flow: Callable[[int], Flow]) -> None:
    """Of a flow that says nothing, and a picture of nothing but one token."""
    flow, ids, mask = small_flow(4), torch.zeros(2, 8, dtype=torch.int64), torch.ones(2, 8, dtype=torch.bool)
    found = []
    for side in (8, 16):
        latents = torch.zeros(1, 4, side, side)
        latents[0, :, 0, 0] = 100.0
        batch = Batch(ids, mask, latents, [], np.zeros((1, 1), np.int16))
        inputs = inputs_of(flow, batch, np.random.default_rng(0), steps=1, prompt_dropout=0.0)
        found.append(flow_losses(flow, inputs, torch.ones(4)).item())
    assert found[1] == pytest.approx(found[0], rel=0.05)  # the noise that it has all around, of the square of 1


def test_a_blend_lies_between_what_was_and_what_became_of_it(small_flow: Callable[[int], Flow]) -> None:
    def filled(value: float) -> Flow:
        flow = small_flow(4)
        for p in flow.parameters():
            torch.nn.init.constant_(p, value)
        return flow

    flow = filled(1.0)
    blend(flow, filled(3.0), 0.25)
    assert all(torch.equal(p, torch.full_like(p, 1.5)) for p in flow.parameters())


def test_keeping_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(BadParameter, match="--start"):
        main(keep=0.5)


def test_a_device_that_is_none_is_refused_before_anything_is_rendered() -> None:
    with pytest.raises(BadParameter, match="There is no device abacus here"):
        main(device="abacus")


@torch.no_grad()
def distance_after_sampling(flow: Flow, batch: Batch) -> float:
    """Mean squared error of the pictures that four steps draw."""
    data = to_tokens(batch.latents)
    references = torch.cat([to_tokens(r) for r in batch.references], dim=1) if batch.references else None
    txt, rotary = flow.text_encoder(batch.ids, batch.mask)[:-1], rotary_of(flow, batch)
    x = normal(*data.shape)
    for t, after in pairwise(timesteps(data.shape[1], 4)):
        x = x + (after - t) * flow.transformer(x, txt, t[None], rotary, references=references)
    return (x - data).square().mean().item()


def test_a_timed_run_ends_with_its_minutes_and_begins_anew(tmp_path):
    (tmp_path / "state.pt").write_bytes(b"of another run")
    run = Run(tmp_path, minutes=0.01)
    assert run.resume(nn.Identity(), torch.optim.SGD([torch.zeros(1)]), Average(nn.Identity(), 0.9)) == 0
    begun = time.monotonic()
    steps = list(run.steps(0, 3, "timed"))
    assert 0.6 <= time.monotonic() - begun < 5
    assert [step.number for step in steps] == list(range(len(steps)))
    assert len(steps) > 3
    assert [step.save for step in steps] == [False] * (len(steps) - 1) + [True]
    over = [step.over for step in steps]
    assert over == sorted(over)
    assert over[0] < 0.1
    assert over[-1] == 1
    run.save(nn.Identity(), torch.optim.SGD([torch.zeros(1)]), Average(nn.Identity(), 0.9), len(steps))
    assert (tmp_path / "state.pt").read_bytes() == b"of another run"  # which a run by steps resumes from


def test_a_resumed_run_goes_on_with_the_rates_of_its_own_optimizer(tmp_path):
    """What a step that is recorded reads is one tensor: a saved state brings its moments, but no rate of its own."""
    module, run = nn.Linear(2, 1), Run(tmp_path)
    rates = [torch.tensor(0.1), torch.tensor(0.0)]
    optimizers = [torch.optim.AdamW([{"params": module.parameters(), "lr": rate}], fused=True) for rate in rates]
    module(torch.ones(1, 2)).sum().backward()
    optimizers[0].step()
    run.save(module, optimizers[0], Average(module, 0.9), 5)
    assert run.resume(module, optimizers[1], Average(module, 0.9)) == 5
    assert optimizers[1].param_groups[0]["lr"] is rates[1]
    assert optimizers[1].state[module.weight]["exp_avg"].abs().sum() > 0
    rates[1].fill_(0.5)
    before = module.weight.detach().clone()
    optimizers[1].step()
    assert (module.weight - before).abs().max() > 0.1


def test_a_finished_run_has_no_steps(tmp_path):
    assert list(Run(tmp_path).steps(3, 3, "done")) == []
    assert [tuple(step) for step in Run(tmp_path).steps(1, 3, "two more")] == [(1, 1 / 3, False), (2, 2 / 3, True)]
