"""`python -m alpenglow.training`: every stage in order, each resuming where it stopped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from alpenglow.catalogue import find
from alpenglow.models.autoencoder import AutoEncoder
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.transformer import Flux2Transformer
from alpenglow.training.crops import CropPool, build_stacks, encode_stack, measure_latents, to_signed
from alpenglow.training.drawings import fetch_packages, load_drawings
from alpenglow.training.examples import training_prompts
from alpenglow.training.export import export
from alpenglow.training.fit_decoder import fit_decoder
from alpenglow.training.fit_flow import Flow, fit_flow, initialise_flow
from alpenglow.training.latents import FramedPool, build_pool, framable, ground_latents
from alpenglow.training.linear_start import channel_weights, linear_encoder, start_linear
from alpenglow.training.recipe import FRAMED, RECIPE, WIDE
from alpenglow.training.run import Run
from alpenglow.training.stages import FlowStage
from alpenglow.training.vocabulary import fit_tokenizer
from alpenglow.weights.hub import Files
from alpenglow.weights.networks import load_networks
from alpenglow.weights.tokenizer import Tokenizer

ARCHITECTURE = find("demo").architecture


def main(
    folder: Annotated[Path, typer.Option(help="Where data and states are kept; the run resumes from it.")] = Path(
        "training-runs/demo"
    ),
    output: Annotated[Path, typer.Option(help="Where the checkpoint is written, and replaced.")] = Path(
        "training-runs/models/demo"
    ),
    start: Annotated[
        Path | None,
        typer.Option(
            help="A checkpoint of this architecture to go on from, such as src/alpenglow/demo: its autoencoder "
            "and tokenizer are kept, its transformer is trained further."
        ),
    ] = None,
    first_stage: Annotated[int, typer.Option(help="Leave out the flow's stages before this one.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda, for the transformer.")] = "cpu",
) -> None:
    """Make the demo checkpoint from scratch: some hours on two CPU cores, minutes on a GPU.

    Fetches the icon sets from npm, sets the encoder, fits the decoder, encodes the pictures, fits the transformer
    together with its text encoder, and writes the checkpoint. Stop it at any time and start it again: no more
    than a minute is lost.
    """
    torch.manual_seed(RECIPE.seed)
    packages = fetch_packages(folder)
    if start is not None:
        files = Files.in_folder(start)
        networks = load_networks(ARCHITECTURE, files, torch.float32)
        autoencoder, tokenizer, tokenizer_files = networks.autoencoder, networks.tokenizer, files.tokenizer
        flow = Flow(networks.transformer, networks.text_encoder).requires_grad_()
    else:
        autoencoder = make_autoencoder(folder, packages)
        tokenizer, tokenizer_files = make_tokenizer(folder, packages), folder / "tokenizer"
        flow = Flow(Flux2Transformer(ARCHITECTURE.transformer), TextEncoder(ARCHITECTURE.text_encoder))
        initialise_flow(flow)
    train_flow(flow, RECIPE.flow[first_stage:], folder, packages, autoencoder, tokenizer, device)
    export(flow.cpu(), autoencoder, tokenizer_files, output)
    typer.echo(f"Wrote {output}. Look at it: ALPENGLOW_MODELS_DIR={output.parent} alpenglow generate 'a dog' -m demo")


def make_autoencoder(folder: Path, packages: Path) -> AutoEncoder:
    """Set the encoder, then fit the decoder, coarse levels first."""
    stacks = build_stacks(packages, folder / "pictures", RECIPE.seed)
    autoencoder = AutoEncoder(ARCHITECTURE.autoencoder)
    start_linear(autoencoder, [to_signed(stacks[0][::20]), to_signed(stacks[1][::40])])
    latents = [encode_stack(autoencoder, stack) for stack in stacks]
    measure_latents(autoencoder, latents)
    for number, stage in enumerate(RECIPE.decoder):
        fit_decoder(autoencoder, CropPool(stacks, latents), Run(folder / f"decoder-{number}"), stage)
    return autoencoder


def make_tokenizer(folder: Path, packages: Path) -> Tokenizer:
    """Fit the vocabulary, once, on captions as they occur in training."""
    if not (folder / "tokenizer").exists():
        chance = np.random.default_rng(RECIPE.seed)
        captions = training_prompts(load_drawings(packages), chance, RECIPE.vocabulary_captions)
        fit_tokenizer(captions, ARCHITECTURE.text_encoder.vocab_size, folder / "tokenizer")
    return Tokenizer.from_folder(folder / "tokenizer", ARCHITECTURE.max_text_tokens)


def train_flow(
    flow: Flow,
    stages: Sequence[FlowStage],
    folder: Path,
    packages: Path,
    autoencoder: AutoEncoder,
    tokenizer: Tokenizer,
    device: str,
) -> None:
    """Encode the pictures once, then fit transformer and text encoder stage by stage."""
    encode = linear_encoder(autoencoder.eval())
    pools = {plan.name: build_pool(plan, packages, encode, folder / "latents") for plan in RECIPE.pools}
    bases = [pools[plan.name] for plan in RECIPE.pools if plan.bases]
    grounds, weights = ground_latents(encode), channel_weights(autoencoder)
    framable_things = framable([pools[name] for name in FRAMED])
    for stage in stages:
        drawn = [(share, pools[name].only(stage.wants)) for name, share in stage.shares.items()]
        things = framable_things.only(stage.wants)
        single = things.only(lambda plan: len(plan.picture.drawings) == 1)
        for pool in (things, single, *(pool for _, pool in drawn)):
            pool.tokenize(tokenizer)
        for width, height in stage.frames:
            framed = FramedPool(things if width >= WIDE else single, grounds, height, width)
            drawn.append((stage.framed / len(stage.frames), framed))
        fit_flow(flow, drawn, bases, weights, Run(folder / f"flow-{RECIPE.flow.index(stage)}"), stage.plan, device)


if __name__ == "__main__":
    typer.run(main)
