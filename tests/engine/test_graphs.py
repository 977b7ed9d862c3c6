"""Forwards that are recorded once and fed by copies give what the transformer gives; `again` stands in for the GPU."""

import torch

from alpenglow.engine import graphs
from alpenglow.engine.graphs import GraphedTransformer
from alpenglow.models.attention import ReferenceMemory, rope
from alpenglow.models.tokens import image_ids, reference_ids, text_ids
from alpenglow.models.transformer import Flux2Transformer, Modulations, TransformerConfig
from oracles import normal, randomise

CONFIG = TransformerConfig(
    hidden_size=32, num_heads=2, num_double_blocks=1, num_single_blocks=1, context_dim=12, axes_dim=(4, 4, 4, 4)
)


def again(run):
    """Runs the forward itself into the same memory."""
    output = run().clone()
    return lambda: output.copy_(run()), output


def inputs(side: int, batch: int = 1, references: int = 0, seed: int = 0) -> tuple[tuple, torch.Tensor | None]:
    ids = torch.cat([text_ids(3), image_ids(side, side), reference_ids([(1, references)] if references else [])])
    rotary = rope(ids, CONFIG.axes_dim, CONFIG.theta)
    img, txt = normal(batch, side * side, CONFIG.in_channels, seed=seed), normal(batch, 3, 12, seed=seed + 1)
    kept = normal(batch, references, CONFIG.in_channels, seed=seed + 2) if references else None
    return (img, txt, torch.rand(batch), rotary), kept


@torch.inference_mode()
def test_every_call_gives_what_the_transformer_gives(monkeypatch) -> None:
    transformer = randomise(Flux2Transformer(CONFIG)).eval()
    captured = []

    def capture(run):
        captured.append(1)
        return again(run)

    graphed = GraphedTransformer(transformer, capture)
    monkeypatch.setattr(graphs, "MAX_IMAGE_TOKENS", 20)
    shapes = [(2, 1, 0), (4, 1, 0), (2, 3, 0), (2, 1, 0), (2, 1, 5), (5, 1, 0), (2, 6, 0), (2, 1, 5)]
    outputs = []
    for seed, (side, batch, references) in enumerate(shapes):
        given, kept = inputs(side, batch, references, seed)
        by = transformer.modulations(given[2])
        expected = transformer(*given, references=kept)
        outputs.append((graphed(*given, references=kept, modulations=by), expected))
    assert len(captured) == 4, "one for each small forward; those of 25 tokens and of 6 rows of 4 are too large"
    for output, expected in outputs:  # compared at the end: a later call must not write into an earlier answer
        assert torch.allclose(output, expected, atol=1e-5)


@torch.inference_mode()
def test_a_memory_of_references_is_not_recorded() -> None:
    transformer = randomise(Flux2Transformer(CONFIG)).eval()
    graphed = GraphedTransformer(transformer, lambda _: 1 / 0)
    given, _ = inputs(2)
    memory = ReferenceMemory()
    memory.layers = [(normal(1, 2, 1, 16), normal(1, 2, 1, 16))] * 2
    by = transformer.modulations(given[2])
    assert torch.equal(
        graphed(*given, modulations=by, attend=memory.reader(3)), transformer(*given, attend=memory.reader(3))
    )


@torch.inference_mode()
def test_the_oldest_shape_leaves(monkeypatch) -> None:
    transformer = randomise(Flux2Transformer(CONFIG)).eval()
    graphed = GraphedTransformer(transformer, again)
    monkeypatch.setattr(graphs, "MAX_GRAPHS", 2)
    for side in (1, 2, 3):
        given, _ = inputs(side)
        graphed(*given, modulations=transformer.modulations(given[2]))
    assert len(graphed._recorded) == 2


def test_modulations_are_put_together_again() -> None:
    by = Flux2Transformer(CONFIG).modulations(torch.rand(2))
    assert all(a is b for a, b in zip(by.tensors(), Modulations.of(by.tensors()).tensors(), strict=True))
    one, two = (Modulations.of(tensor[i : i + 1] for tensor in by.tensors()) for i in range(2))
    assert all(map(torch.equal, Modulations.joined([one, two]).tensors(), by.tensors()))
    assert by.bytes == 2 * one.bytes == sum(tensor.numel() * 4 for tensor in by.tensors())
