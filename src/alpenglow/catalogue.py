"""The models: one frozen row each. What a variant does differently is said here and nowhere else."""

from dataclasses import dataclass
from typing import Literal

from alpenglow.errors import UnknownModel
from alpenglow.models.autoencoder import AutoEncoderConfig
from alpenglow.models.text_encoder import TextEncoderConfig
from alpenglow.models.transformer import TransformerConfig
from alpenglow.request import ModelCard
from alpenglow.weights.hub import Published
from alpenglow.weights.networks import Architecture

Guidance = Literal["two_pass", "embedded"]
"""How a row follows a guidance above 1: by a second pass with the empty prompt, or by a number that the network reads.

Distilled rows were made for a single pass; a second one still makes them follow the prompt more closely."""


@dataclass(frozen=True)
class Licence:
    """Of the weights."""

    name: str
    url: str


@dataclass(frozen=True)
class Row:
    """One model. `steps` are what it was made for; on `distilled` rows nobody may choose others.

    `kv`: reference tokens attend only to each other, at timestep 0, so that their keys and values can be kept.
    `published` is None for a checkpoint that comes with the package.
    """

    name: str
    title: str
    description: str
    architecture: Architecture
    licence: Licence
    published: Published | None
    api_name: str
    id: str
    created_at: str
    steps: int = 4
    distilled: bool = True
    guidance: Guidance = "two_pass"
    default_guidance: float = 1.0
    kv: bool = False

    @property
    def pixels_per_token(self) -> int:
        """Pixels a side that one image token covers; sizes are generated in multiples of it."""
        return self.architecture.autoencoder.pixels_per_token

    def card(self, answered_by: str | None = None) -> ModelCard:
        """The row as the API lists it. `answered_by` names another row whose weights stand in for it."""
        return ModelCard(
            row=self.name,
            api_name=self.api_name,
            id=self.id,
            title=self.title,
            description=self.description,
            created_at=self.created_at,
            licence=self.licence.name,
            licence_url=self.licence.url,
            answered_by=answered_by or self.name,
        )


def find(name: str) -> Row:
    """The row of its own name (`klein-9b`) or of the API's (`@cf/black-forest-labs/flux-2-klein-9b`), that one's author
    and `@cf/` left out or not. Raises UnknownModel.
    """
    for row in ROWS:
        if name in row.card().names:
            return row
    raise UnknownModel(name)


def _klein(hidden_size: int, double: int, single: int, text_encoder: TextEncoderConfig) -> Architecture:
    """FLUX.2's architecture; heads are 128 wide in all sizes."""
    return Architecture(
        TransformerConfig(
            hidden_size=hidden_size,
            num_heads=hidden_size // 128,
            num_double_blocks=double,
            num_single_blocks=single,
            context_dim=text_encoder.context_dim,
        ),
        AutoEncoderConfig(),
        text_encoder,
    )


def _qwen3(hidden_size: int, intermediate_size: int) -> TextEncoderConfig:
    return TextEncoderConfig(
        vocab_size=151936,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_heads=32,
        num_kv_heads=8,
    )


KLEIN_4B = _klein(3072, 5, 20, _qwen3(2560, 9728))
KLEIN_9B = _klein(4096, 8, 24, _qwen3(4096, 12288))

MISTRAL_SMALL_3 = TextEncoderConfig(
    vocab_size=131072,
    hidden_size=5120,
    intermediate_size=32768,
    num_heads=32,
    num_kv_heads=8,
    taps=(10, 20, 30),
    rope_theta=1e9,
    rms_eps=1e-5,
    qk_norm=False,
)
DEV = Architecture(
    TransformerConfig(
        hidden_size=6144,
        num_heads=48,
        num_double_blocks=8,
        num_single_blocks=48,
        context_dim=MISTRAL_SMALL_3.context_dim,
        guidance_embed=True,
    ),
    AutoEncoderConfig(),
    MISTRAL_SMALL_3,
    padding_side="left",
    # What the network was trained to see before every prompt, line break and all.
    system=(
        "You are an AI that reasons about image descriptions. You give structured responses focusing on object "
        "relationships, object\nattribution and actions without speculation."
    ),
    removed="[IMG]",
)

DEMO_TEXT = TextEncoderConfig(
    vocab_size=5504,
    hidden_size=160,
    intermediate_size=480,
    num_heads=5,
    num_kv_heads=5,
    head_dim=32,
    taps=(1, 2, 3),
)
DEMO = Architecture(
    TransformerConfig(
        hidden_size=320,
        num_heads=5,
        num_double_blocks=2,
        num_single_blocks=4,
        context_dim=DEMO_TEXT.context_dim,
        in_channels=192,
        axes_dim=(16, 16, 16, 16),
    ),
    AutoEncoderConfig(
        channels=(8, 16, 32, 64, 96, 128),
        decoder_channels=(8, 16, 32, 64, 128, 160),
        latent_channels=48,
        layers_per_block=1,
        norm_groups=1,  # a group of one narrow channel would lose its mean, and with it the colour
    ),
    DEMO_TEXT,
    max_text_tokens=32,
)
"""Small enough to be trained and served on a laptop: six levels make a token 64 pixels wide."""

APACHE = Licence("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0")
NON_COMMERCIAL = "FLUX Non-Commercial License"
NON_COMMERCIAL_KLEIN = Licence(
    NON_COMMERCIAL, "https://huggingface.co/black-forest-labs/FLUX.2-klein-9B/blob/main/LICENSE.md"
)
NON_COMMERCIAL_DEV = Licence(
    NON_COMMERCIAL, "https://huggingface.co/black-forest-labs/FLUX.2-dev/blob/main/LICENSE.txt"
)

# Ids, descriptions and dates of klein-4b, klein-9b and dev are those of Cloudflare's records; the other rows are not in
# its catalogue, their ids are ours.
ROWS = (
    Row(
        name="demo",
        title="alpenglow demo",
        description="A small model of the FLUX.2 architecture, trained from scratch on drawings; comes with alpenglow.",
        architecture=DEMO,
        licence=APACHE,
        published=None,
        api_name="@cf/alpenglow/demo",
        id="ae2cfd61-4487-528c-87cd-cff2d8a65175",
        created_at="2026-11-23 00:00:00.000",
    ),
    Row(
        name="klein-4b",
        title="FLUX.2 [klein] 4B",
        description="FLUX.2 [klein] is an ultra-fast, distilled image model. It unifies image generation and editing "
        "in a single model, delivering state-of-the-art quality enabling interactive workflows, real-time previews, "
        "and latency-critical applications.",
        architecture=KLEIN_4B,
        licence=APACHE,
        published=Published("black-forest-labs/FLUX.2-klein-4B", "flux-2-klein-4b.safetensors"),
        api_name="@cf/black-forest-labs/flux-2-klein-4b",
        id="5cdffa8e-1b1e-48e8-85f1-ab9b943cdd32",
        created_at="2026-01-14 12:54:55.024",
    ),
    Row(
        name="klein-9b",
        title="FLUX.2 [klein] 9B",
        description="FLUX.2 [klein] 9B is a 9 billion parameter model that can generate images from text descriptions "
        "and supports multi-reference editing capabilities.",
        architecture=KLEIN_9B,
        licence=NON_COMMERCIAL_KLEIN,
        published=Published("black-forest-labs/FLUX.2-klein-9B", "flux-2-klein-9b.safetensors"),
        api_name="@cf/black-forest-labs/flux-2-klein-9b",
        id="e580c765-810c-4da3-936c-a2808892f14c",
        created_at="2026-01-14 12:55:54.294",
    ),
    Row(
        name="klein-9b-kv",
        title="FLUX.2 [klein] 9B KV",
        description="FLUX.2 [klein] 9B, trained so that reference images are computed once and reused by every step.",
        architecture=KLEIN_9B,
        licence=NON_COMMERCIAL_KLEIN,
        published=Published("black-forest-labs/FLUX.2-klein-9b-kv", "flux-2-klein-9b-kv.safetensors"),
        api_name="@cf/black-forest-labs/flux-2-klein-9b-kv",
        id="7ed213bf-7287-5fce-a399-404697f62766",
        created_at="2026-11-23 00:00:00.000",
        kv=True,
    ),
    Row(
        name="klein-base-4b",
        title="FLUX.2 [klein] base 4B",
        description="FLUX.2 [klein] 4B before distillation: 50 steps, guided by a second pass with the empty prompt.",
        architecture=KLEIN_4B,
        licence=APACHE,
        published=Published("black-forest-labs/FLUX.2-klein-base-4B", "flux-2-klein-base-4b.safetensors"),
        api_name="@cf/black-forest-labs/flux-2-klein-base-4b",
        id="97985446-f921-57bb-8e47-21ee1bb892e7",
        created_at="2026-11-23 00:00:00.000",
        steps=50,
        distilled=False,
        default_guidance=4.0,
    ),
    Row(
        name="klein-base-9b",
        title="FLUX.2 [klein] base 9B",
        description="FLUX.2 [klein] 9B before distillation: 50 steps, guided by a second pass with the empty prompt.",
        architecture=KLEIN_9B,
        licence=NON_COMMERCIAL_KLEIN,
        published=Published("black-forest-labs/FLUX.2-klein-base-9B", "flux-2-klein-base-9b.safetensors"),
        api_name="@cf/black-forest-labs/flux-2-klein-base-9b",
        id="fcbbfa52-ee78-52f1-bfa9-49f6182a7783",
        created_at="2026-11-23 00:00:00.000",
        steps=50,
        distilled=False,
        default_guidance=4.0,
    ),
    Row(
        name="dev",
        title="FLUX.2 [dev]",
        description="FLUX.2 [dev] is an image model from Black Forest Labs where you can generate highly realistic and "
        "detailed images, with multi-reference support.",
        architecture=DEV,
        licence=NON_COMMERCIAL_DEV,
        published=Published("black-forest-labs/FLUX.2-dev", "flux2-dev.safetensors"),
        api_name="@cf/black-forest-labs/flux-2-dev",
        id="3ae8936e-593e-4fb2-85ee-95dd8a057588",
        created_at="2025-11-24 15:44:06.050",
        steps=50,
        distilled=False,
        guidance="embedded",
        default_guidance=4.0,
    ),
)
"""In the order in which they are listed."""
