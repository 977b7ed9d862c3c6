"""One row's networks on one device: a request becomes a sample, moves step by step, becomes a picture.

Places networks on a device. Knows no queue and no HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Concatenate, ParamSpec, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from alpenglow.catalogue import Row
from alpenglow.engine import tiles
from alpenglow.engine.conditioning import Conditioning, Seconds, fingerprint
from alpenglow.engine.device import device_named, make_current, wait_for
from alpenglow.engine.graphs import GraphedTransformer, capture_on_cuda
from alpenglow.engine.offload import Offload
from alpenglow.engine.optimize import OptimizationPlan, choose, optimize
from alpenglow.engine.preview import PREVIEW_SIDE, shrink
from alpenglow.errors import SettingsError
from alpenglow.models.attention import Attend, ReferenceMemory, attention
from alpenglow.models.sampler import Velocity, euler_step, guided
from alpenglow.models.schedule import timesteps
from alpenglow.models.tokens import to_latents, to_tokens
from alpenglow.models.transformer import Modulations
from alpenglow.request import RGB, CacheStatus, GenerationRequest
from alpenglow.weights.hub import Files
from alpenglow.weights.networks import Networks, load_networks

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

CACHE_BYTES = 256 * 2**20
"""Prompt embeddings, reference latents and the like that are kept; a klein-9b prompt takes 12.6 MB in bf16."""

KV_CACHE_BYTES = 4 * 2**30
"""For rows that keep keys and values: in klein-9b-kv a reference of 512x512 takes 512 MiB in bf16."""


SHOWN = 60
"""Characters that a note shows of a prompt."""

COMMON_SIZES = ((1024, 1024), (1024, 768), (512, 512), (256, 256))
"""Width and height."""

COMPILED_SIZE = (1040, 784)
"""The size that is compiled first. Its sides and token counts differ from each other and from every width of the
networks: the compiler takes equal numbers for one symbol, and would compile again where they differ."""


@dataclass(eq=False, slots=True)
class Sample:
    """A picture under way, `grid` (height, width) in tokens, `size` (width, height) in pixels. Tensors have a leading
    dimension of 1, so that samples are batched by concatenation.

    `x` (1, N, C) fp32 latents; `timesteps` (1, steps + 1); `text` (1, L, D), and `empty_text` where a second pass is
    made; `references` (1, R, C) or None; `memory` in their place on rows that keep keys and values; `modulations` of
    every step. `seconds` that text encoder and references took: nothing of what the cache knew. `notes` tell what is
    done other than asked. With `previews`, `clean` (1, N, C) are the latents without noise that the last step aimed at.
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
    modulations: tuple[Modulations, ...]
    size: tuple[int, int]
    previews: bool = False
    clean: Tensor | None = None
    step: int = 0
    seconds: Seconds = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """How many steps it takes in all."""
        return self.timesteps.shape[1] - 1

    @property
    def done(self) -> bool:
        """Nothing is left but to decode."""
        return self.step == self.steps


def plan_for(device: torch.device, precision: str, offload: Offload) -> OptimizationPlan:
    """How to compute there. Raises SettingsError if the device cannot compute so."""
    if offload != "none" and device.type == "cpu":
        raise SettingsError("Nothing can be offloaded from a CPU: weights lie in its own memory anyway.")
    return choose(precision, device)


def once_more(method: Callable[Concatenate[Pipeline, P], T]) -> Callable[Concatenate[Pipeline, P], T]:
    """Where the device runs out of memory, make room and call `method` once more: for those that change nothing until
    they succeed.
    """

    @wraps(method)
    def call(pipeline: Pipeline, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(pipeline, *args, **kwargs)
        except torch.OutOfMemoryError as error:
            log.warning("no memory to %s (%s); trying again without what was kept", method.__name__, error)
        # Outside of `except`, where the traceback would keep the tensors of its frames.
        pipeline.make_room()
        return method(pipeline, *args, **kwargs)

    return call


class Pipeline:
    """prepare, then advance until done, then decode."""

    def __init__(
        self,
        row: Row,
        networks: Networks,
        *,
        ignore_guidance: bool = False,
        plan: OptimizationPlan | None = None,
        cache_bytes: int | None = None,
        tiled: bool = False,
    ) -> None:
        self.row = row
        self.networks = networks
        self.ignore_guidance = ignore_guidance and row.distilled
        weight = networks.transformer.img_in.weight
        self.device, self.dtype = weight.device, weight.dtype
        self.tiled = tiled
        graphs = self.device.type == "cuda" and not tiled  # what is offloaded has no fixed place to be recorded at
        self.forward = GraphedTransformer(networks.transformer, capture_on_cuda()) if graphs else networks.transformer
        self.plan = plan or choose("exact", self.device)
        usual = KV_CACHE_BYTES if row.kv else CACHE_BYTES
        self.conditioning = Conditioning(row, networks, usual if cache_bytes is None else cache_bytes)

    @classmethod
    def load(
        cls,
        row: Row,
        files: Files,
        *,
        device: str = "auto",
        precision: str = "exact",
        offload: Offload = "none",
        threads: int | None = None,
        ignore_guidance: bool = False,
        cache_bytes: int | None = None,
    ) -> Self:
        """Read a checkpoint onto a device ("auto" takes the GPU if there is one), to compute as `precision` says.

        With `offload` layers come to the device when they are due, and large pictures are decoded in tiles.
        Raises SettingsError if that device cannot compute so.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        chosen = device_named(device)
        plan = plan_for(chosen, precision, offload)
        make_current(chosen)
        networks = load_networks(
            row.architecture,
            files,
            plan.read_as,
            plan.staging(chosen, offload),
            autoencoder_dtype=plan.autoencoder_dtype,
        )
        networks = optimize(networks, plan, chosen, offload)
        return cls(
            row,
            networks,
            ignore_guidance=ignore_guidance,
            plan=plan,
            cache_bytes=cache_bytes,
            tiled=offload != "none",
        )

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Run a picture, so that the first request finds kernels chosen and memory taken.

        The smallest one; where blocks are compiled and graphs recorded, the common sizes.
        """
        for width, height in (COMPILED_SIZE, *COMMON_SIZES) if self.plan.compile else ((256, 256),):
            sample = self.prepare(GenerationRequest(self.row.name, "", width, height, seed=0))
            self.advance([sample])
            self.decode(sample)
        if self.plan.compile and not self.tiled:  # what is offloaded is not compiled
            self._meet()

    def _meet(self) -> None:
        """Compile for batches too: they are compiled apart from a single row, and two callers should not wait then."""
        grey = np.full((272, 336, 3), 128, np.uint8)
        for references in ((), (grey,)) if self.row.kv else ((),):
            pair = [
                self.prepare(GenerationRequest(self.row.name, "", *COMPILED_SIZE, seed=seed, references=references))
                for seed in (0, 1)
            ]
            if references:
                self.advance(pair[:1])
            self.advance(pair)

    def cache_status(self) -> CacheStatus:
        """What was found of earlier requests."""
        cache = self.conditioning.cache
        return CacheStatus(cache.hits, cache.misses, cache.bytes)

    def check_device(self) -> None:
        """Raise what the device is lost with, if it is: after some faults CUDA answers every call of the process so."""
        wait_for(self.device)

    def tokens(self, request: GenerationRequest) -> int:
        """How many of a request one forward holds: text, image and references."""
        height, width = self._grid(request)
        references = sum(h * w for h, w in map(self.conditioning.grid_of, request.references))
        return self.row.architecture.max_text_tokens + height * width + references

    def work(self, request: GenerationRequest) -> int:
        """Tokens x steps of a request, known before any work."""
        return self.tokens(request) * self.row.steps * (2 if self._takes_two_passes(request) else 1)

    def batch_key(self, request: GenerationRequest) -> Hashable:
        """Requests whose keys are equal may share a forward: their samples have the same shapes, and the same memory of
        references where the row keeps one.
        """
        grids = tuple(map(self.conditioning.grid_of, request.references))
        remembered = tuple(map(fingerprint, request.references)) if self.row.kv else ()
        return self.row.name, self._grid(request), grids, remembered, self._takes_two_passes(request)

    def make_room(self) -> None:
        """Give back the device's memory that is kept to save time only."""
        self.conditioning.cache.clear()
        if isinstance(self.forward, GraphedTransformer):
            self.forward.forget()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    @once_more
    def prepare(self, request: GenerationRequest) -> Sample:
        """Encode prompt and references, draw the noise, lay out the positions."""
        row, grid = self.row, self._grid(request)
        tokens = grid[0] * grid[1]
        reference_grids = [self.conditioning.grid_of(image) for image in request.references]
        length = row.architecture.max_text_tokens
        seconds: Seconds = {}
        memory = references = None
        if row.kv and request.references:
            memory = self.conditioning.memory(request.references, seconds)
        else:
            references = self.conditioning.references(request.references, seconds)
        times = timesteps(tokens, row.steps)[None].to(self.device)
        guidance = torch.tensor([self._guidance(request)], device=self.device)
        return Sample(
            grid=grid,
            x=to_tokens(draw_noise(request.seed, self.networks.transformer.config.in_channels, *grid)).to(self.device),
            timesteps=times,
            text=self.conditioning.prompt(request.prompt, seconds),
            empty_text=self.conditioning.prompt("", seconds) if self._takes_two_passes(request) else None,
            guidance=guidance,
            references=references,
            memory=memory,
            rotary=self.conditioning.rotary(length, grid, [] if memory else reference_grids),
            modulations=self.conditioning.modulations(times, guidance if row.guidance == "embedded" else None),
            size=(request.width, request.height),
            previews=request.previews,
            seconds=seconds,
            notes=self._notes(request),
        )

    def advance(self, samples: Sequence[Sample]) -> None:
        """Move every sample by one step, each at its own timestep, in one forward (two where they are guided), or where
        the device has no room for all of them, in halves.
        """
        if not self._fits(samples):
            half = len(samples) // 2
            self.advance(samples[:half])
            self.advance(samples[half:])

    def _fits(self, samples: Sequence[Sample]) -> bool:
        """Whether there was room to advance several. Alone each has to."""
        try:
            self._step(samples)
        except torch.OutOfMemoryError:
            if len(samples) == 1:
                raise
            return False
        return True

    @torch.inference_mode()
    @once_more
    def _step(self, samples: Sequence[Sample]) -> None:
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
        for sample, x_i in zip(samples, x.split(1), strict=True):
            sample.x, sample.step = x_i, sample.step + 1

    @torch.inference_mode()
    @once_more
    def decode(self, sample: Sample) -> RGB:
        """Latents to pixels, cropped at the centre from the grid to the size that was asked for."""
        return self._decode(to_latents(sample.x, *sample.grid), *sample.size)

    def draw(self, request: GenerationRequest) -> RGB:
        """A whole picture alone, for those who have no queue."""
        sample = self.prepare(request)
        while not sample.done:
            self.advance([sample])
        return self.decode(sample)

    @torch.inference_mode()
    @once_more
    def preview(self, sample: Sample) -> RGB | None:
        """A small picture of where the latents are headed: for samples with `previews`, once a step is made."""
        if sample.clean is None:
            return None
        latents = shrink(to_latents(sample.clean, *sample.grid), PREVIEW_SIDE // self.row.pixels_per_token)
        width, height = sample.size
        return self._decode(
            latents,
            # The shape is kept as nearly as whole tokens allow.
            round(width * latents.shape[3] / sample.grid[1]),
            round(height * latents.shape[2] / sample.grid[0]),
        )

    def _decode(self, latents: Tensor, width: int, height: int) -> RGB:
        latents = latents.to(self.networks.autoencoder.decoder.conv_in.weight.dtype)
        autoencoder, cut = self.networks.autoencoder, self.tiled and width * height > tiles.PIXELS
        image = (tiles.decode(autoencoder, latents) if cut else autoencoder.decode(latents))[0].float()  # (3, H, W)
        pixels = ((image / 2 + 0.5).clamp(0, 1) * 255).round().byte()
        top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
        # Laid out on the device, so that only bytes in their last order travel.
        return pixels[:, top : top + height, left : left + width].permute(1, 2, 0).contiguous().cpu().numpy()

    def _velocity(self, samples: Sequence[Sample], text: Tensor) -> Velocity:
        """The transformer as a function of x and t alone, for a batch of samples of one batch key."""
        first = samples[0]
        references = None
        if first.references is not None:
            references = torch.cat([s.references for s in samples if s.references is not None])
        modulations = Modulations.joined([s.modulations[s.step] for s in samples])

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            attend: Attend = first.memory.reader(text.shape[1]) if first.memory is not None else attention
            return self.forward(
                x.to(self.dtype),
                text,
                t,
                first.rotary,
                references=references,
                attend=attend,
                modulations=modulations,
            )

        return velocity

    def _grid(self, request: GenerationRequest) -> tuple[int, int]:
        """(height, width) in tokens: the next larger grid, of which the picture is the centre."""
        return -(-request.height // self.row.pixels_per_token), -(-request.width // self.row.pixels_per_token)

    def _guidance(self, request: GenerationRequest) -> float:
        asked = None if self.ignore_guidance else request.guidance
        return self.row.default_guidance if asked is None else asked

    def _notes(self, request: GenerationRequest) -> tuple[str, ...]:
        unread = self.networks.tokenizer.unread(request.prompt)
        if not unread:
            return ()
        begins = unread if len(unread) <= SHOWN else f"{unread[:SHOWN].rstrip()}..."
        tokens = self.row.architecture.max_text_tokens
        return (f"{self.row.name} reads {tokens} tokens, so the end of the prompt was not read: {begins}",)

    def _takes_two_passes(self, request: GenerationRequest) -> bool:
        return self.row.guidance == "two_pass" and self._guidance(request) > 1


def draw_noise(seed: int, channels: int, height: int, width: int) -> Tensor:
    """(1, channels, height, width) fp32 from a CPU generator: the shape and order of diffusers, on every device."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn((1, channels, height, width), generator=generator)
