"""What only CUDA does, against its slow twin: graphs that are captured, weights that come over a second stream."""

import pytest
import torch
from torch import nn

from alpenglow.catalogue import find
from alpenglow.engine.graphs import GraphedTransformer, capture_on_cuda
from alpenglow.engine.offload import StreamedBlocks
from alpenglow.engine.pipeline import Pipeline
from alpenglow.models.attention import rope
from alpenglow.models.tokens import image_ids, reference_ids, text_ids
from alpenglow.models.transformer import Flux2Transformer, TransformerConfig
from alpenglow.request import GenerationRequest
from alpenglow.weights import hub

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
CONFIG = TransformerConfig(
    hidden_size=256, num_heads=2, num_double_blocks=2, num_single_blocks=2, context_dim=64, in_channels=32
)


def transformer() -> Flux2Transformer:
    torch.manual_seed(0)
    return Flux2Transformer(CONFIG).eval().requires_grad_(requires_grad=False).cuda().bfloat16()


def rotary(text: int, side: int, references: list[tuple[int, int]]) -> torch.Tensor:
    ids = torch.cat([text_ids(text), image_ids(side, side), reference_ids(references)])
    return rope(ids, CONFIG.axes_dim, CONFIG.theta).cuda()


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)


@torch.inference_mode()
def test_a_captured_graph_gives_what_the_transformer_gives() -> None:
    plain = transformer()
    graphed = GraphedTransformer(plain, capture_on_cuda())
    compared = []
    for side, batch, references in [(8, 1, 0), (16, 1, 0), (8, 2, 0), (8, 1, 0), (8, 1, 4), (16, 1, 0), (8, 1, 4)]:
        img, txt, t = normal(batch, side * side, 32), normal(batch, 16, 64), torch.rand(batch, device="cuda")
        kept = normal(batch, references, 32) if references else None
        given = (img, txt, t, rotary(16, side, [(1, references)] if references else []))
        expected = plain(*given, references=kept)
        compared.append((graphed(*given, references=kept, modulations=plain.modulations(t)), expected))
    assert len(graphed._recorded) == 4
    for output, expected in compared:
        assert (output - expected).norm() < 0.02 * expected.norm()


def test_the_host_does_not_run_ahead_of_blocks_that_visit() -> None:
    """Twenty blocks of 32 MB, three of which may be there: one computes, one comes, one is being forgotten."""
    torch.manual_seed(0)
    blocks = nn.Sequential(*(nn.Linear(4096, 4096, bias=False) for _ in range(20))).bfloat16()
    blocks.requires_grad_(requires_grad=False)
    x = normal(2048, 4096)
    expected = blocks.cuda()(x)
    blocks.cpu()
    streamed = StreamedBlocks(list(blocks), torch.device("cuda"))
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    with torch.inference_mode():
        for _ in range(2):
            assert torch.equal(blocks(x), expected)
    assert torch.cuda.max_memory_allocated() - before < 1.5 * streamed.bytes + 4 * x.nbytes


def test_the_demo_draws_the_picture_of_the_cpu(tmp_path) -> None:
    files = hub.find("demo", None, tmp_path, None)
    assert files is not None
    request = GenerationRequest("demo", "a red apple", 256, 256, seed=3)
    there, here = (Pipeline.load(find("demo"), files, device=device).draw(request) for device in ("cuda", "cpu"))
    assert abs(there.astype(int) - here).mean() < 2, "bf16 on a CPU moves a pixel by a third"
