"""What a picture costs and what a model takes, worked out before anything is loaded: operations and bytes.

Counted by running the networks themselves on the meta device, where nothing is computed. Knows no machine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from alpenglow.catalogue import Row
from alpenglow.engine.linears import LARGE, Fp8Linear, Int8Linear, OneDNNLinear, WidenedLinear
from alpenglow.engine.optimize import OptimizationPlan
from alpenglow.models.autoencoder import AutoEncoder
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.transformer import Flux2Transformer

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of a picture with an empty cache; `step` is one of `steps` forwards."""

    text_encoder: int
    references: int
    step: int
    steps: int
    decode: int

    @property
    def total(self) -> int:
        """Of the whole picture."""
        return self.text_encoder + self.references + self.step * self.steps + self.decode


@dataclass(frozen=True)
class Footprint:
    """What weights take by component, and what a picture under way takes beside them, roughly.

    `block` and `layer` are the largest block of the transformer and the largest layer of the text encoder: of what is
    streamed, two are there at a time. `around_transformer` and `around_text` are what never leaves.
    """

    transformer: int
    text_encoder: int
    autoencoder: int
    block: int
    layer: int
    around_transformer: int
    around_text: int
    activations: int

    def on_device(self, offload: str) -> int:
        """The most at any time; see `offload.py`."""
        resident = {
            "none": self.transformer + self.text_encoder,
            "text_encoder": self.transformer + self.around_text + 2 * self.layer,
            "blocks": self.around_transformer + self.around_text + 2 * max(self.block, self.layer),
        }
        return resident[offload] + self.autoencoder + self.activations


def flops_of(row: Row, size: Size, references: Sequence[Size] = ()) -> Flops:
    """Of one picture, guidance off."""
    a = row.architecture
    side = a.autoencoder.pixels_per_token
    tokens = (size[0] // side) * (size[1] // side)
    others = sum((height // side) * (width // side) for height, width in references)
    text, c = a.max_text_tokens, a.transformer
    with torch.device("meta"):
        transformer, autoencoder = Flux2Transformer(c), AutoEncoder(a.autoencoder)
        encoder = TextEncoder(a.text_encoder)
        img, txt = torch.empty(1, tokens, c.in_channels), torch.empty(1, text, c.context_dim)
        kept = torch.empty(1, others, c.in_channels) if others else None
        rotary = torch.empty(2, text + tokens + others, sum(c.axes_dim) // 2)
        moment, latents = torch.empty(1), torch.empty(1, c.in_channels, size[0] // side, size[1] // side)
        ids = torch.empty(1, text, dtype=torch.int64)
        pictures = [torch.empty(1, 3, height // side * side, width // side * side) for height, width in references]
    guidance = moment if c.guidance_embed else None
    return Flops(
        text_encoder=count_flops(lambda: encoder(ids, torch.ones(1, text, dtype=torch.bool))),
        references=sum(count_flops(partial(autoencoder.encode, picture)) for picture in pictures),
        step=count_flops(lambda: transformer(img, txt, moment, rotary, references=kept, guidance=guidance)),
        steps=row.steps,
        decode=count_flops(lambda: autoencoder.decode(latents)),
    )


def footprint(row: Row, plan: OptimizationPlan, size: Size) -> Footprint:
    """Of one model in one plan, for pictures of one size."""
    a = row.architecture
    with torch.device("meta"):
        transformer, text_encoder = Flux2Transformer(a.transformer), TextEncoder(a.text_encoder)
        autoencoder = AutoEncoder(a.autoencoder)
    blocks, layers = transformer.blocks, list(text_encoder.model.layers)
    of_blocks, of_layers = ([weight_bytes(part, plan) for part in parts] for parts in (blocks, layers))
    width = plan.dtype.itemsize
    around_transformer = (num_parameters(transformer) - sum(map(num_parameters, blocks))) * width
    around_text = (num_parameters(text_encoder) - sum(map(num_parameters, layers))) * width
    tokens = a.max_text_tokens + (size[0] // row.pixels_per_token) * (size[1] // row.pixels_per_token)
    widest = a.transformer.hidden_size * (4 + 4 * a.transformer.mlp_ratio)  # stream, queries to values, gate and up
    # The first resnet of the decoder's finest level: what comes in, its norm and that one's activation.
    channels = 3 * max((a.autoencoder.decoder_channels or a.autoencoder.channels)[:2])
    activations = max(tokens * widest * width, size[0] * size[1] * channels * plan.autoencoder_dtype.itemsize)
    activations += max(widened_bytes(block, plan) for block in (*blocks, *layers))
    return Footprint(
        transformer=sum(of_blocks) + around_transformer,
        text_encoder=sum(of_layers) + around_text,
        autoencoder=num_parameters(autoencoder) * plan.autoencoder_dtype.itemsize,
        block=max(of_blocks),
        layer=max(of_layers),
        around_transformer=around_transformer,
        around_text=around_text,
        activations=int(activations),
    )


def weight_bytes(block: nn.Module, plan: OptimizationPlan) -> int:
    """Bytes of a block whose Linears the plan replaces, of a checkpoint in bf16: one in fp8 takes less."""
    inside = linears(block)
    rest = num_parameters(block) - sum(inside)
    return sum(count * itemsize(count, plan) for count in inside) + rest * plan.dtype.itemsize


def itemsize(count: int, plan: OptimizationPlan) -> int:
    """Bytes of each number of a weight that has so many, in a layer of the plan's kind."""
    if plan.linear in {Int8Linear, Fp8Linear}:
        return 1
    return torch.bfloat16.itemsize if stays(count, plan) else plan.dtype.itemsize


def stays(count: int, plan: OptimizationPlan) -> bool:
    """Whether a weight of so many numbers is kept as the checkpoint holds it, and widened for each product."""
    return plan.linear in {WidenedLinear, OneDNNLinear} and count >= LARGE


def widened_bytes(block: nn.Module, plan: OptimizationPlan) -> int:
    """Bytes that the largest widened weight of a block takes for the time of its product."""
    return max((count * plan.dtype.itemsize for count in linears(block) if stays(count, plan)), default=0)


def linears(block: nn.Module) -> list[int]:
    """How many numbers the weight of each Linear has."""
    return [m.weight.numel() for m in block.modules() if isinstance(m, nn.Linear)]


def num_parameters(module: nn.Module) -> int:
    """How many it keeps."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_flops(forward: Callable[[], object]) -> int:
    """Multiplications and additions of matrices and convolutions in one call."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        forward()
    return counter.get_total_flops()
