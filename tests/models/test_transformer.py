"""The transformer is diffusers' Flux2Transformer2DModel, to the rounding of fp32."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel
from torch import Tensor

from alpenglow.models.attention import rope
from alpenglow.models.tokens import image_ids, reference_ids, text_ids, to_tokens
from alpenglow.models.transformer import Flux2Transformer, TransformerConfig
from oracles import Meets, normal, transformer_pair

KLEIN = TransformerConfig(
    hidden_size=64,
    num_heads=2,
    num_double_blocks=2,
    num_single_blocks=3,
    context_dim=48,
    in_channels=16,
    axes_dim=(8, 8, 8, 8),
)
CONFIGS = {
    "klein": KLEIN,
    "one block of each kind": replace(KLEIN, num_double_blocks=1, num_single_blocks=1),
    "unequal axes": replace(KLEIN, hidden_size=96, num_heads=3, axes_dim=(2, 12, 14, 4), theta=10000),
    "many narrow heads": replace(KLEIN, num_heads=8, axes_dim=(2, 2, 2, 2), mlp_ratio=4.0),
    "more single blocks": replace(KLEIN, num_double_blocks=3, num_single_blocks=6, in_channels=4, context_dim=20),
}
GRID = (4, 6)
TEXT = 7
REFERENCES = ((3, 5), (1, 1), (6, 2), (2, 7))
Pair = tuple[Flux2Transformer, Flux2Transformer2DModel]


@pytest.fixture(scope="module", params=CONFIGS.values(), ids=CONFIGS.keys())
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return transformer_pair(request.param, tmp_path_factory.mktemp("transformer"))


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return transformer_pair(replace(KLEIN, guidance_embed=True), tmp_path_factory.mktemp("dev"))


def test_text_to_image(pair: Pair, meets: Meets) -> None:
    meets(*velocities(pair, [0.7]))


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_references_of_unequal_size(pair: Pair, number: int, meets: Meets) -> None:
    meets(*velocities(pair, [0.7], REFERENCES[:number]))


def test_rows_at_different_times(pair: Pair, meets: Meets) -> None:
    meets(*velocities(pair, [1.0, 0.88, 0.0], REFERENCES[:2]))


def test_the_guidance_that_dev_reads(dev: Pair, meets: Meets) -> None:
    guidance = torch.tensor([1.0, 4.0, 2.5])
    guided, theirs = velocities(dev, [1.0, 0.7, 0.7], REFERENCES[:1], guidance)
    meets(guided, theirs)
    other, _ = velocities(dev, [1.0, 0.7, 0.7], REFERENCES[:1], guidance + 1)
    assert (guided - other).abs().amax(dim=(1, 2)).min() > 0.01


def test_a_row_is_the_same_in_company(pair: Pair) -> None:
    """Bound by rounding: kernels cut a larger batch into other blocks."""
    together, _ = velocities(pair, [0.9, 0.5], REFERENCES[:2])
    alone, _ = velocities(pair, [0.9], REFERENCES[:2])
    assert (together[:1] - alone).abs().max() <= 1e-5


@torch.inference_mode()
def velocities(
    pair: Pair, times: Sequence[float], references: Sequence[tuple[int, int]] = (), guidance: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What both make of the same latents, text and references, each with position ids of its own making.

    Row b is drawn from seed b, whatever the batch.
    """
    ours, theirs = pair
    c = ours.config
    img = rows(len(times), c.in_channels, *GRID)
    txt = rows(len(times), TEXT, c.context_dim)
    refs = [rows(len(times), c.in_channels, *grid) for grid in references]
    packed = torch.cat([to_tokens(ref) for ref in refs], dim=1) if refs else None
    ids = torch.cat([text_ids(TEXT), image_ids(*GRID), reference_ids(references)])
    mine = ours(
        to_tokens(img),
        txt,
        torch.tensor(times),
        rope(ids, c.axes_dim, c.theta),
        references=packed,
        guidance=guidance,
    )

    pipeline = Flux2KleinPipeline
    img_ids = pipeline._prepare_latent_ids(img)[:1]
    if refs:
        img_ids = torch.cat([img_ids, pipeline._prepare_image_ids([ref[:1] for ref in refs])], dim=1)
    expected = theirs(
        torch.cat([pipeline._pack_latents(x) for x in (img, *refs)], dim=1),
        txt,
        torch.tensor(times),
        img_ids,
        pipeline._prepare_text_ids(txt[:1]),
        guidance,
        return_dict=False,
    )[0]
    return mine, expected[:, : GRID[0] * GRID[1]]


def rows(number: int, *shape: int) -> Tensor:
    return torch.stack([normal(*shape, seed=row) for row in range(number)])
