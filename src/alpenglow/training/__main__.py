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
from alpenglow.training.crops import build_crop_pool
from alpenglow.training.drawings import fetch_packages, load_drawings
from alpenglow.training.examples import training_prompts
from alpenglow.training.export import export
from alpenglow.training.fit_autoencoder import fit_autoencoder, measure_latents
from alpenglow.training.fit_flow import Flow, fit_flow, initialise
from alpenglow.training.latents import build_pool
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

    Fetches the icon sets from npm, fits the autoencoder, encodes the pictures, fits the transformer together with its
    text encoder, lets the decoder learn on, and writes the checkpoint. Stop it at any time and start it again: no more
    than a minute is lost.
    """
    torch.manual_seed(RECIPE.seed)
    architecture = find("demo").architecture
    packages = fetch_packages(folder)
    library = load_drawings(packages)

    crops = build_crop_pool(packages, folder / "pictures", RECIPE.seed)
    autoencoder = AutoEncoder(architecture.autoencoder)
    fit_autoencoder(autoencoder, crops, Run(folder / "autoencoder"), RECIPE.autoencoder)
    measure_latents(autoencoder, list(crops.whole(np.random.default_rng(RECIPE.seed), 600)))

    if not (folder / "tokenizer").exists():
        captions = training_prompts(library, np.random.default_rng(RECIPE.seed), RECIPE.vocabulary_captions)
        fit_tokenizer(captions, architecture.text_encoder.vocab_size, folder / "tokenizer")
    tokenizer = Tokenizer.from_folder(folder / "tokenizer", architecture.max_text_tokens)

    pools = []
    for plan in RECIPE.pools:
        pool = build_pool(plan, packages, autoencoder, folder / "latents")
        pool.tokenize(tokenizer)
        pools.append((plan.weight, pool))

    flow = Flow(Flux2Transformer(architecture.transformer), TextEncoder(architecture.text_encoder))
    initialise(flow)
    fit_flow(flow, pools, pools[0][1], Run(folder / "flow"), RECIPE.flow, device)
    fit_autoencoder(autoencoder, crops, Run(folder / "decoder"), RECIPE.decoder)
    export(flow.cpu(), autoencoder, folder / "tokenizer", output)
    typer.echo(f"Wrote {output}. Look at it: ALPENGLOW_MODELS_DIR={output.parent} alpenglow generate 'a dog' -m demo")


if __name__ == "__main__":
    typer.run(main)
