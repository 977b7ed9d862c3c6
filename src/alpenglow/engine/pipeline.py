"""One row's networks on one device: a request becomes a sample, moves step by step, becomes a picture.

The only file that chooses device and dtype. Knows no queue and no HTTP.
"""

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from alpenglow.catalogue import Row
from alpenglow.engine.cache import Cache
from alpenglow.engine.optimize import optimize
from alpenglow.engine.preview import PREVIEW_SIDE, shrink
from alpenglow.imaging import crop_to_multiple, cropped_size
from alpenglow.models.attention import Attend, ReferenceMemory, attention, rope
from alpenglow.models.sampler import Velocity, euler_step, guided
from alpenglow.models.schedule import timesteps
from alpenglow.models.tokens import image_ids, reference_ids, text_ids, to_latents, to_tokens
from alpenglow.request import RGB, GenerationRequest
from alpenglow.weights.hub import Files
from alpenglow.weights.networks import Networks, load_networks

CACHE_BYTES = 256 * 2**20
"""Prompt embeddings and reference latents that are kept; a klein-9b prompt takes 12.6 MB in bf16."""


@dataclass(eq=False, slots=True)
class Sample:
    """A picture under way. Tensors have a leading dimension of 1, so that samples are batched by concatenation.

    `x` (1, N, C) fp32 latents; `timesteps` (1, steps + 1); `text` (1, L, D), and `empty_text` where a second pass is
    made; `references` (1, R, C) or None; `memory` in their place on rows that keep keys and values.
    With `previews`, `clean` (1, N, C) are the latents without noise that the last step aimed at.
    Samples with equal `batch_key` may share a forward.
    """

    grid: tuple[int, int]
    x: Tensor
    timesteps: Tensor
    text: Tensor
    empty_text: Tensor | None
    guidance: Tensor
    references: Tensor | None
    memory: ReferenceMemory | None
    rotary: Tensor
    batch_key: Hashable
    tokens: int
    size: tuple[int, int]
    previews: bool = False
    clean: Tensor | None = None
    step: int = 0

    @property
    def steps(self) -> int:
        """How many steps it takes in all."""
        return self.timesteps.shape[1] - 1

    @property
    def done(self) -> bool:
        """Nothing is left but to decode."""
        return self.step == self.steps


class Pipeline:
    """prepare, then advance until done, then decode."""

    def __init__(self, row: Row, networks: Networks, *, ignore_guidance: bool = False) -> None:
        self.row = row
        self.networks = networks
        self.ignore_guidance = ignore_guidance and row.distilled
        weight = networks.transformer.img_in.weight
        self.device, self.dtype = weight.device, weight.dtype
        self._cache: Cache[Hashable, Tensor] = Cache(CACHE_BYTES, lambda t: t.numel() * t.element_size())

    @classmethod
    def load(
        cls, row: Row, files: Files, *, device: str = "auto", threads: int | None = None, ignore_guidance: bool = False
    ) -> Self:
        """Read a checkpoint onto a device: "auto" takes the GPU if there is one. fp32 on a CPU, bf16 elsewhere."""
        if threads is not None:
            torch.set_num_threads(threads)
        chosen = torch.device(best_device() if device == "auto" else device)
        dtype = torch.float32 if chosen.type == "cpu" else torch.bfloat16
        networks = load_networks(row.architecture, files, dtype, chosen)
        return cls(row, optimize(networks), ignore_guidance=ignore_guidance)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Run the smallest picture, so that the first request finds kernels chosen and memory taken."""
        sample = self.prepare(GenerationRequest(self.row.name, "", 256, 256, seed=0))
        self.advance([sample])
        self.decode(sample)

    def cost(self, request: GenerationRequest) -> int:
        """Tokens x steps of a request, known before any work."""
        height, width = self._grid(request)
        references = sum(h * w for h, w in map(self._reference_grid, request.references))
        passes = 2 if self._is_guided(request) and self.row.guidance == "two_pass" else 1
        text = self.row.architecture.max_text_tokens
        return (text + height * width + references) * self.row.steps * passes

    @torch.inference_mode()
    def prepare(self, request: GenerationRequest) -> Sample:
        """Encode prompt and references, draw the noise, lay out the positions."""
        row, grid = self.row, self._grid(request)
        tokens = grid[0] * grid[1]
        two_pass = self._is_guided(request) and row.guidance == "two_pass"
        reference_grids = [self._reference_grid(image) for image in request.references]
        references = self._encode_references(request.references)
        length = row.architecture.max_text_tokens

        memory, rotary = None, self._rotary(length, grid, reference_grids)
        if row.kv and references is not None:
            memory = self._remember(references, reference_grids)
            rotary = self._rotary(length, grid, [])
            references = None
        return Sample(
            grid=grid,
            x=to_tokens(draw_noise(request.seed, self.networks.transformer.config.in_channels, *grid)).to(self.device),
            timesteps=timesteps(tokens, row.steps)[None].to(self.device),
            text=self._encode_prompt(request.prompt),
            empty_text=self._encode_prompt("") if two_pass else None,
            guidance=torch.tensor([self._guidance(request)], device=self.device),
            references=references,
            memory=memory,
            rotary=rotary,
            batch_key=(row.name, grid, tuple(reference_grids), two_pass, id(memory) if memory else None),
            tokens=length + tokens + sum(h * w for h, w in reference_grids),
            size=(request.width, request.height),
            previews=request.previews,
        )

    @torch.inference_mode()
    def advance(self, samples: Sequence[Sample]) -> None:
        """Move every sample by one step, each at its own timestep, in one forward (two where they are guided)."""
        x = torch.cat([s.x for s in samples])
        t, t_next = (torch.cat([s.timesteps[:, s.step + k] for s in samples]) for k in (0, 1))
        velocity = self._velocity(samples, torch.cat([s.text for s in samples]))
        empty = [s.empty_text for s in samples if s.empty_text is not None]
        if empty:
            guidance = torch.cat([s.guidance for s in samples])
            velocity = guided(velocity, self._velocity(samples, torch.cat(empty)), guidance)
        v = velocity(x, t)
        for sample, x_i, v_i, t_i in zip(samples, x.split(1), v.split(1), t.split(1), strict=True):
            if sample.previews:
                sample.clean = euler_step(x_i, v_i, t_i, torch.zeros_like(t_i))
        x = euler_step(x, v, t, t_next)
        for sample, row in zip(samples, x.split(1), strict=True):
            sample.x, sample.step = row, sample.step + 1

    @torch.inference_mode()
    def decode(self, sample: Sample) -> RGB:
        """Latents to pixels, cropped at the centre from the grid to the size that was asked for."""
        return self._decode(to_latents(sample.x, *sample.grid), *sample.size)

    @torch.inference_mode()
    def preview(self, sample: Sample) -> RGB | None:
        """A small picture of where the latents are headed: for samples with `previews`, once a step is made."""
        if sample.clean is None:
            return None
        latents = shrink(to_latents(sample.clean, *sample.grid), PREVIEW_SIDE // self.row.grid)
        width, height = sample.size
        return self._decode(
            latents,
            # The shape is kept as nearly as whole tokens allow.
            round(width * latents.shape[3] / sample.grid[1]),
            round(height * latents.shape[2] / sample.grid[0]),
        )

    def _decode(self, latents: Tensor, width: int, height: int) -> RGB:
        image = self.networks.autoencoder.decode(latents.to(self.dtype))[0].float()  # (3, H, W)
        pixels = ((image / 2 + 0.5).clamp(0, 1) * 255).round().byte()
        top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
        return pixels[:, top : top + height, left : left + width].permute(1, 2, 0).cpu().contiguous().numpy()

    def _velocity(self, samples: Sequence[Sample], text: Tensor) -> Velocity:
        """The transformer as a function of x and t alone, for a batch of samples of one batch key."""
        first = samples[0]
        references = None
        if first.references is not None:
            references = torch.cat([s.references for s in samples if s.references is not None])
        guidance = torch.cat([s.guidance for s in samples]) if self.row.guidance == "embedded" else None

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            attend: Attend = first.memory.reader(text.shape[1]) if first.memory is not None else attention
            return self.networks.transformer(
                x.to(self.dtype),
                text,
                # Through thousandths and back as the reference scheduler does, to meet it to the last bit.
                t * 1000 / 1000,
                first.rotary,
                references=references,
                guidance=guidance,
                attend=attend,
            )

        return velocity

    def _encode_prompt(self, prompt: str) -> Tensor:
        """(1, L, D), from the cache if the prompt was seen lately."""

        def encode() -> Tensor:
            ids, mask = self.networks.tokenizer.encode([prompt])
            return self.networks.text_encoder(ids.to(self.device), mask.to(self.device))

        return self._cache.get_or_make(("prompt", prompt), encode)

    def _encode_references(self, images: Sequence[RGB]) -> Tensor | None:
        """(1, R, C) latent tokens of all references in order, or None."""
        if not images:
            return None

        def encode(image: RGB) -> Tensor:
            # Copied, as a decoder's array may be read-only.
            pixels = torch.tensor(crop_to_multiple(image, self.row.grid)).permute(2, 0, 1)[None]
            return to_tokens(
                self.networks.autoencoder.encode((pixels.float() / 255 * 2 - 1).to(self.device, self.dtype))
            )

        def look_up(image: RGB) -> Tensor:
            digest = hashlib.sha256(image.tobytes()).digest()
            return self._cache.get_or_make(("reference", image.shape, digest), lambda: encode(image))

        return torch.cat([look_up(image) for image in images], dim=1)

    def _remember(self, references: Tensor, grids: Sequence[tuple[int, int]]) -> ReferenceMemory:
        """Keys and values of the references: one pass over them alone, with an empty text, at timestep 0."""
        memory = ReferenceMemory()
        config = self.networks.transformer.config
        self.networks.transformer(
            references,
            references.new_zeros(1, 0, config.context_dim),
            torch.zeros(1, device=self.device),
            rope(reference_ids(grids), config.axes_dim, config.theta).to(self.device),
            attend=memory.record,
        )
        return memory

    def _rotary(self, text: int, grid: tuple[int, int], references: Sequence[tuple[int, int]]) -> Tensor:
        config = self.networks.transformer.config
        ids = torch.cat([text_ids(text), image_ids(*grid), reference_ids(references)])
        return rope(ids, config.axes_dim, config.theta).to(self.device)  # its fp64 is not to be had on Metal

    def _grid(self, request: GenerationRequest) -> tuple[int, int]:
        """(height, width) in tokens: the next larger grid, of which the picture is the centre."""
        return -(-request.height // self.row.grid), -(-request.width // self.row.grid)

    def _reference_grid(self, image: RGB) -> tuple[int, int]:
        """(height, width) in tokens of a reference, cropped to the grid."""
        height, width = cropped_size(image.shape[0], image.shape[1], self.row.grid)
        return height // self.row.grid, width // self.row.grid

    def _guidance(self, request: GenerationRequest) -> float:
        asked = None if self.ignore_guidance else request.guidance
        return self.row.default_guidance if asked is None else asked

    def _is_guided(self, request: GenerationRequest) -> bool:
        return self._guidance(request) > 1


def draw_noise(seed: int, channels: int, height: int, width: int) -> Tensor:
    """(1, channels, height, width) fp32 from a CPU generator: the shape and order of diffusers, on every device."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn((1, channels, height, width), generator=generator)


def best_device() -> str:
    """cuda, else mps, else cpu."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
