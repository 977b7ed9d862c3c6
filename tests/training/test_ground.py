"""A sample of plain ground stands for all of it: in what is kept, in attention, and in the error."""

import numpy as np
import pytest
import torch

from alpenglow.models.attention import attention, attention_in_batches
from alpenglow.training.batches import Batch
from alpenglow.training.fit_flow import counted_attention, inputs_of, losses, rotary_of
from alpenglow.training.ground import CELL, SAMPLE, sample, tokens_shown
from oracles import normal

CHANNELS, LENGTH = 4, 6


def on_ground(rows: int, columns: int, things: list[tuple[int, int]]) -> torch.Tensor:
    """Latents of pictures that show a thing of a cell's size, each on a ground of its own."""
    latents = normal(len(things), CHANNELS, 1, 1).expand(-1, -1, rows, columns).clone()
    for picture, (top, left) in zip(latents, things, strict=True):
        picture[:, top : top + 8, left : left + 8] = normal(CHANNELS, 8, 8, seed=1)
    return latents


def test_things_are_shown_whole_and_ground_in_part():
    things, shown, sums = [(11, 11), (11, 9)], np.zeros(900), []
    for start in np.linspace(0, 1, 50, endpoint=False):
        tokens, counts = sample(on_ground(30, 30, things), start)
        assert len(tokens) == pytest.approx(80 + SAMPLE, abs=1)
        assert (tokens.diff() > 0).all()
        sums.append(counts.sum().item())
        kept = torch.zeros(900)
        kept[tokens] = counts
        assert (kept.view(30, 30)[11:19, 9:19] == 1).all()
        shown += kept.numpy()
    assert (shown > 0).all()  # each token has its turns, as many as make up for what it counts
    assert sums == pytest.approx([900] * 50, rel=0.05)
    assert np.mean(sums) == pytest.approx(900, rel=0.005)
    assert np.abs(shown / 50 - 1).max() < 0.2


def test_small_frames_and_scenes_are_shown_whole():
    assert sample(on_ground(16, 16, [(4, 4)]), 0.5) is None
    assert sample(normal(1, CHANNELS, 30, 30), 0.5) is None
    assert tokens_shown(1024, 1024) == 256
    assert tokens_shown(1920, 1920) == CELL + SAMPLE


@pytest.mark.parametrize("attend", [attention, attention_in_batches])
def test_a_token_that_stands_for_three_is_attended_to_as_three_are(small_flow, attend):
    q, k, v = (normal(2, 3, 5, 8, seed=seed) for seed in range(3))
    counts = torch.tensor([1, 3, 1, 2, 1])
    want = attend(q, k.repeat_interleave(counts, 2), v.repeat_interleave(counts, 2))
    torch.testing.assert_close(attend(q, k, v, counts.float().log()[None, None, None]), want, rtol=1e-5, atol=1e-6)


def asked_for(latents: torch.Tensor, references: list[torch.Tensor]) -> Batch:
    ids = torch.arange(LENGTH).expand(len(latents) + 1, LENGTH).contiguous()
    return Batch(
        ids, torch.ones_like(ids, dtype=torch.bool), latents, references, np.zeros((len(latents), 1), np.int16)
    )


def test_image_tokens_alone_count_for_others(small_flow):
    flow, latents = small_flow(CHANNELS), on_ground(30, 30, [(11, 11)])
    batch = asked_for(latents, [normal(1, CHANNELS, 8, 8)])
    given = inputs_of(flow, batch, np.random.default_rng(0), steps=2, prompt_dropout=0.0, sampled=True)
    tokens, counts = sample(latents, np.random.default_rng(0).random())
    assert torch.equal(given.counts, counts)
    assert torch.equal(given.data, latents.flatten(2).transpose(1, 2)[:, tokens])
    whole = rotary_of(flow, batch)
    assert torch.equal(given.rotary[:, :LENGTH], whole[:, :LENGTH])
    assert torch.equal(given.rotary[:, LENGTH:-64], whole[:, LENGTH:-64][:, tokens])
    assert torch.equal(given.rotary[:, -64:], whole[:, -64:])
    of_all = inputs_of(flow, batch, np.random.default_rng(0), steps=2, prompt_dropout=0.0)
    assert torch.equal(given.times, of_all.times)  # the schedule is the whole frame's

    attend, size = counted_attention(given, flow.transformer.img_in.weight), given.rotary.shape[1]
    scores = torch.zeros(1, 1, 1, size)
    found = attend(scores.view(1, 1, size, 1), scores.view(1, 1, size, 1), torch.eye(size)[None, None])[0, 0, 0]
    assert found[0].item() == pytest.approx(1 / (900 + LENGTH + 64), rel=0.02)
    torch.testing.assert_close(found[LENGTH:-64] / found[0], counts)
    torch.testing.assert_close(found[-64:], found[:1].expand(64))


def test_the_error_of_a_sample_is_that_of_the_whole_frame(small_flow):
    """Of a flow that says nothing, over many samples: its error is that of the noise and the pictures themselves."""
    flow, batch = small_flow(CHANNELS), asked_for(on_ground(30, 30, [(11, 11)] * 8), [])
    found = {
        sampled: np.mean(
            [
                losses(
                    flow,
                    inputs_of(flow, batch, np.random.default_rng(i), 1, 0.0, sampled=sampled),
                    torch.ones(CHANNELS),
                )
                .mean()
                .item()
                for i in range(10)
            ]
        )
        for sampled in (False, True)
    }
    assert found[True] == pytest.approx(found[False], rel=0.02)
