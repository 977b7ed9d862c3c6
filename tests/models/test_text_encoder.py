"""The text encoder's tapped states are the hidden states of transformers' Qwen3 and Mistral, pads included."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounter
from transformers import PreTrainedModel

from alpenglow.models.text_encoder import TextEncoder, TextEncoderConfig, pairs, visibility
from oracles import Meets, text_encoder_pair

QWEN3 = TextEncoderConfig(
    vocab_size=100, hidden_size=32, intermediate_size=48, num_heads=4, num_kv_heads=2, head_dim=16, taps=(1, 3, 4)
)
MISTRAL = replace(QWEN3, num_kv_heads=1, rope_theta=1e9, rms_eps=1e-5, qk_norm=False)
CONFIGS = {
    "Qwen3": QWEN3,
    "Qwen3 with a key for every query": replace(QWEN3, num_kv_heads=4, head_dim=8, taps=(2,)),
    "Qwen3 with one key for all": replace(QWEN3, num_kv_heads=1, rope_theta=1e4, rms_eps=1e-3),
    "Mistral": MISTRAL,
}
LENGTH = 12
LENGTHS = {"right": (12, 5, 1), "left": (12, 5, 2)}
"""Real tokens of each row: a full one, a short one, next to nothing."""

Pair = tuple[TextEncoder, PreTrainedModel]


@pytest.fixture(scope="module", params=CONFIGS.values(), ids=CONFIGS.keys())
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return text_encoder_pair(request.param, tmp_path_factory.mktemp("text_encoder"))


@pytest.mark.parametrize("side", ["right", "left"])
def test_every_state_of_rows_of_unequal_length(pair: Pair, side: str, meets: Meets) -> None:
    meets(*states(pair, *batch(LENGTHS[side], side)))


@pytest.mark.parametrize("length", [1, 5, 12])
def test_one_row(pair: Pair, length: int, meets: Meets) -> None:
    meets(*states(pair, *batch([length], "right")))


def test_a_prompt_of_full_length_at_full_depth(tmp_path: Path, meets: Meets) -> None:
    """27 layers amplify what 512 positions may differ in."""
    pair = text_encoder_pair(replace(QWEN3, taps=(9, 18, 27)), tmp_path)
    meets(*states(pair, *batch([512, 21, 12], "right", length=512)))


@torch.inference_mode()
def test_a_row_is_the_same_in_company(pair: Pair) -> None:
    """Bound by rounding: kernels cut a larger batch into other blocks."""
    ours, _ = pair
    ids, mask = batch(LENGTHS["right"], "right")
    together = ours(ids, mask)
    for row in range(len(ids)):
        assert (together[row] - ours(ids[row : row + 1], mask[row : row + 1])).abs().max() <= 1e-5


@torch.inference_mode()
def test_pads_have_states_of_their_own(pair: Pair) -> None:
    """What the ids of pads are does matter to their own states and to nobody else's; no two pads are the same."""
    ours, _ = pair
    ids, mask = batch([5], "right")
    before = ours(ids, mask)
    after = ours(ids.where(mask, ids + 1), mask)
    assert torch.equal(before[mask], after[mask])
    pads = before[~mask]
    assert torch.cdist(pads, pads).fill_diagonal_(1).min() > 0.01
    assert (before - after)[~mask].abs().max() > 0.01


def batch(lengths: Sequence[int], side: str, length: int = LENGTH) -> tuple[Tensor, Tensor]:
    """Ids and mask, (rows, length); pads have id 7."""
    ids = torch.randint(8, 100, (len(lengths), length), generator=torch.Generator().manual_seed(0))
    place = torch.arange(length) if side == "right" else torch.arange(length).flip(0)
    mask = place < torch.tensor(lengths)[:, None]
    return ids.where(mask, 7), mask


@torch.inference_mode()
def states(pair: Pair, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    ours, theirs = pair
    hidden = theirs(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False).hidden_states
    return ours(ids, mask), torch.cat([hidden[tap] for tap in ours.config.taps], dim=-1)


@torch.inference_mode()
@pytest.mark.parametrize("real", [1, 5, 11, 12])
def test_pads_over_real_keys_alone_are_what_the_mask_says(pair: Pair, real: int, monkeypatch, meets: Meets) -> None:
    """One prompt takes the short way; the whole table of who sees whom is its slow twin."""
    ours, _ = pair
    ids, mask = batch([real], "right")
    assert visibility(mask) == real
    fast = ours(ids, mask)
    monkeypatch.setattr("alpenglow.models.text_encoder.visibility", pairs)
    meets(fast, ours(ids, mask))


@torch.inference_mode()
def test_by_the_table_layers_are_compiled_once_whatever_the_depth_and_the_prompt(pair: Pair, monkeypatch) -> None:
    """As on a GPU."""
    monkeypatch.setattr("alpenglow.models.text_encoder.visibility", pairs)
    ours, counter = deepcopy(pair[0]), CompileCounter()
    torch.compiler.reset()
    for layer in ours.model.layers:
        layer.compile(dynamic=False, backend=counter)
    for real in (1, 5, 12):
        ours(*batch([real], "right"))
    assert counter.frame_count == 1


@pytest.mark.parametrize(("lengths", "side"), [((5, 12), "right"), ((5,), "left")])
def test_other_paddings_need_the_table(lengths: Sequence[int], side: str) -> None:
    assert isinstance(visibility(batch(lengths, side)[1]), Tensor)
