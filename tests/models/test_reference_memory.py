"""Keys and values of references, recorded apart from any step, are those that diffusers extracts in its first step."""

from dataclasses import replace

import pytest
import torch
from diffusers import Flux2KleinKVPipeline, Flux2Transformer2DModel
from diffusers.models.transformers.transformer_flux2 import Flux2KVAttnProcessor, Flux2KVParallelSelfAttnProcessor
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from alpenglow.models.attention import ReferenceMemory, attention, rope
from alpenglow.models.tokens import image_ids, reference_ids, text_ids, to_tokens
from alpenglow.models.transformer import Flux2Transformer, TransformerConfig
from oracles import Meets, normal, transformer_pair

CONFIG = TransformerConfig(
    hidden_size=64,
    num_heads=4,
    num_double_blocks=2,
    num_single_blocks=3,
    context_dim=48,
    in_channels=16,
    axes_dim=(4, 4, 4, 4),
)
GRID = (4, 6)
TEXT = 7
TIMES = (1.0, 0.88, 0.7)
Pair = tuple[Flux2Transformer, Flux2Transformer2DModel]
GRIDS = {"one": ((3, 5),), "four of unequal size": ((3, 5), (1, 1), (6, 2), (2, 7))}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    ours, theirs = transformer_pair(CONFIG, tmp_path_factory.mktemp("transformer"))
    for block in theirs.transformer_blocks:
        block.attn.set_processor(Flux2KVAttnProcessor())
    for block in theirs.single_transformer_blocks:
        block.attn.set_processor(Flux2KVParallelSelfAttnProcessor())
    return ours, theirs


@pytest.fixture(params=GRIDS.values(), ids=GRIDS.keys())
def references(request: pytest.FixtureRequest) -> list[Tensor]:
    return [normal(1, CONFIG.in_channels, *grid, seed=i) for i, grid in enumerate(request.param)]


@torch.inference_mode()
def test_every_step_of_a_recorded_memory(pair: Pair, references: list[Tensor], meets: Meets) -> None:
    ours, _ = pair
    memory = record(ours, references)
    for step, (expected, layers) in enumerate(their_steps(pair, references)):
        meets(velocity(ours, memory, step), expected)
        for (k, v), layer in zip(memory.layers, layers, strict=True):
            meets(k.transpose(1, 2), layer[0])
            meets(v.transpose(1, 2), layer[1])


@torch.inference_mode()
def test_a_memory_holds_what_it_says(pair: Pair, references: list[Tensor]) -> None:
    """No view of a layer's whole output, which would stay with it."""
    memory = record(pair[0], references)
    assert memory.bytes == sum(t.untyped_storage().nbytes() for layer in memory.layers for t in layer)


@torch.inference_mode()
def test_the_memory_is_not_the_ordinary_path(pair: Pair, references: list[Tensor]) -> None:
    """An ordinary forward modulates references with the step's time and lets them look around: other velocities."""
    ours, _ = pair
    with_memory = velocity(ours, record(ours, references), step=1)
    latents, text = inputs(step=1)
    ids = torch.cat([text_ids(TEXT), image_ids(*GRID), reference_ids(grids(references))])
    ordinary = ours(
        to_tokens(latents), text, torch.tensor([TIMES[1]]), rotary(ids), references=tokens(references), attend=attention
    )
    assert (with_memory - ordinary).abs().max() > 0.01


@torch.inference_mode()
def test_blocks_are_not_compiled_anew_for_each_place_in_a_memory() -> None:
    network = Flux2Transformer(replace(CONFIG, num_double_blocks=5, num_single_blocks=5)).eval()
    counter = CompileCounter()
    for block in network.blocks:
        block.compile(dynamic=True, backend=counter)
    for side in (3, 5):
        memory = record(network, [normal(1, CONFIG.in_channels, side, side)])
        velocity(network, memory, step=1)
    assert counter.frame_count <= 8, "two halves of two kinds of blocks, with a text and without"


def record(ours: Flux2Transformer, references: list[Tensor]) -> ReferenceMemory:
    memory = ReferenceMemory()
    no_text = torch.zeros(1, 0, CONFIG.context_dim)
    ours(
        tokens(references), no_text, torch.zeros(1), rotary(reference_ids(grids(references))), attend=memory.recorder()
    )
    return memory


def velocity(ours: Flux2Transformer, memory: ReferenceMemory, step: int) -> Tensor:
    latents, text = inputs(step)
    ids = torch.cat([text_ids(TEXT), image_ids(*GRID)])
    return ours(to_tokens(latents), text, torch.tensor([TIMES[step]]), rotary(ids), attend=memory.reader(TEXT))


def their_steps(pair: Pair, references: list[Tensor]) -> list[tuple[Tensor, list[tuple[Tensor, Tensor]]]]:
    """The velocity of each step, extracted in the first and cached in the others, and what its cache holds."""
    _, theirs = pair
    pipeline = Flux2KleinKVPipeline
    reference_tokens = tokens(references)
    steps, cache = [], None
    for step, time in enumerate(TIMES):
        latents, text = inputs(step)
        hidden, ids = pipeline._pack_latents(latents), pipeline._prepare_latent_ids(latents)
        if cache is None:
            hidden = torch.cat([reference_tokens, hidden], dim=1)
            ids = torch.cat([pipeline._prepare_image_ids(references), ids], dim=1)
        out = theirs(
            hidden,
            text,
            torch.tensor([time]),
            ids,
            pipeline._prepare_text_ids(text),
            kv_cache=cache,
            kv_cache_mode="cached" if cache else "extract",
            num_ref_tokens=0 if cache else reference_tokens.shape[1],
        )
        cache = cache or out.kv_cache
        layers = [layer.get() for layer in (*cache.double_block_caches, *cache.single_block_caches)]
        steps.append((out.sample, layers))
    return steps


def inputs(step: int) -> tuple[Tensor, Tensor]:
    """Latents that change from step to step, and a text that does not."""
    return normal(1, CONFIG.in_channels, *GRID, seed=10 + step), normal(1, TEXT, CONFIG.context_dim)


def tokens(references: list[Tensor]) -> Tensor:
    return torch.cat([to_tokens(reference) for reference in references], dim=1)


def grids(references: list[Tensor]) -> list[tuple[int, int]]:
    return [(reference.shape[2], reference.shape[3]) for reference in references]


def rotary(ids: Tensor) -> Tensor:
    return rope(ids, CONFIG.axes_dim, CONFIG.theta)
