"""`python -m alpenglow.training`: every stage in order, each resuming where it stopped."""

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
from alpenglow.training.latents import build_pool
from alpenglow.training.linear_start import channel_weights, start_linear
from alpenglow.training.recipe import RECIPE
from alpenglow.training.run import Run
from alpenglow.training.vocabulary import fit_tokenizer
from alpenglow.weights.tokenizer import Tokenizer


def main(
    folder: Annotated[Path, typer.Option(help="Where data and states are kept; the run resumes from it.")] = Path(
        "training-runs/demo"
    ),
    output: Annotated[Path, typer.Option(help="Where the checkpoint is written, and replaced.")] = Path(
        "training-runs/demo/checkpoint"
    ),
    device: Annotated[str, typer.Option(help="cpu or cuda, for the transformer.")] = "cpu",
) -> None:
    """Make the demo checkpoint from scratch: some hours on two CPU cores, minutes on a GPU.

    Fetches the icon sets from npm, sets the encoder, fits the decoder, encodes the pictures, fits the transformer
    together with its text encoder, and writes the checkpoint. Stop it at any time and start it again: no more
    than a minute is lost.
    """
    torch.manual_seed(RECIPE.seed)
    architecture = find("demo").architecture
    packages = fetch_packages(folder)
    library = load_drawings(packages)

    stacks = build_stacks(packages, folder / "pictures", RECIPE.seed)
    autoencoder = AutoEncoder(architecture.autoencoder)
    start_linear(autoencoder, [to_signed(stacks[0][::20]), to_signed(stacks[1][::40])])
    latents = [encode_stack(autoencoder, stack) for stack in stacks]
    measure_latents(autoencoder, latents)
    for stage in RECIPE.decoder:
        fit_decoder(autoencoder, CropPool(stacks, latents), Run(folder / f"decoder-{stage.finest}"), stage)

    if not (folder / "tokenizer").exists():
        captions = training_prompts(library, np.random.default_rng(RECIPE.seed), RECIPE.vocabulary_captions)
        fit_tokenizer(captions, architecture.text_encoder.vocab_size, folder / "tokenizer")
    tokenizer = Tokenizer.from_folder(folder / "tokenizer", architecture.max_text_tokens)

    pools = []
    for plan in RECIPE.pools:
        pool = build_pool(plan, packages, autoencoder, folder / "latents").only(RECIPE.concepts)
        pool.tokenize(tokenizer)
        pools.append((plan.weight, pool))

    flow = Flow(Flux2Transformer(architecture.transformer), TextEncoder(architecture.text_encoder))
    initialise_flow(flow)
    fit_flow(flow, pools, channel_weights(autoencoder), Run(folder / "flow"), RECIPE.flow, device)
    export(flow.cpu(), autoencoder, folder / "tokenizer", output)
    typer.echo(f"Wrote {output}. Look at it: ALPENGLOW_MODELS_DIR={output.parent} alpenglow generate 'a dog' -m demo")


if __name__ == "__main__":
    typer.run(main)
