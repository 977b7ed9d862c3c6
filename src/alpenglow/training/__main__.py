"""`python -m alpenglow.training`: every stage in order, each resuming where it stopped."""

import copy
import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from alpenglow.catalogue import find
from alpenglow.engine.device import device_named, make_current
from alpenglow.errors import SettingsError
from alpenglow.models.autoencoder import AutoEncoder
from alpenglow.models.text_encoder import TextEncoder
from alpenglow.models.transformer import Flux2Transformer
from alpenglow.training.batches import Deck, Plans, draw_plans, draw_sayings
from alpenglow.training.compose import Composer
from alpenglow.training.crops import CropPool, build_stacks, encode_stack, measure_latents, to_signed
from alpenglow.training.curriculum import Stage
from alpenglow.training.drawings import Library, fetch_packages, load_drawings
from alpenglow.training.examples import TAUGHT, training_prompts
from alpenglow.training.export import export
from alpenglow.training.fit_decoder import fit_decoder
from alpenglow.training.fit_flow import Flow, blend, fit_flow, initialise_flow
from alpenglow.training.fit_words import begin_words, fit_words
from alpenglow.training.focus import focus
from alpenglow.training.lexicon import Lexicon
from alpenglow.training.linear_start import LinearEncoder, channel_weights, start_linear
from alpenglow.training.pixels import render_all
from alpenglow.training.recipe import RECIPE
from alpenglow.training.run import Run
from alpenglow.training.vocabulary import add_words, added_words, fit_tokenizer
from alpenglow.weights.hub import Files
from alpenglow.weights.networks import load_networks
from alpenglow.weights.tokenizer import Tokenizer

ARCHITECTURE = find("demo").architecture
LENGTH = ARCHITECTURE.max_text_tokens


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
    first_stage: Annotated[
        int, typer.Option(help="Leave out the flow's stages before this one; all of them if it is their number.")
    ] = 0,
    keep: Annotated[
        float,
        typer.Option(help="How much of --start is left in what is written: 0 to 1, a share of every weight."),
    ] = 0.0,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Share so many minutes among the flow's stages and the words by their steps, whatever their number "
            "then comes to: for a machine that is lent. Data are made before. Such a run is not resumed.",
            min=0.1,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda, for the transformer.")] = "cpu",
) -> None:
    """Make a demo checkpoint from scratch: some days on two CPU cores.

    Fetches icon sets from npm, sets the encoder, fits the decoder, renders what pictures are put together from (12 GB),
    fits transformer and text encoder together, teaches the latter other words, and writes the checkpoint. Stop it at
    any time and start it again: no more than a minute is lost.
    """
    if keep and start is None:
        raise typer.BadParameter("it is a share of the checkpoint that --start names", param_hint="--keep")
    begin_on(device)
    packages = fetch_packages(folder)
    library = load_drawings(packages)
    lexicon = Lexicon.kept(packages, library.only(TAUGHT))
    flow, autoencoder, tokenizer_files = begin(start, folder, packages, lexicon)
    plans = draw_plans(library, lexicon.rewriter(tokenizer_files), tokenizer_files, LENGTH, RECIPE.plans, RECIPE.seed)
    before, weights = copy.deepcopy(flow), channel_weights(autoencoder)
    stages, words = RECIPE.flow[first_stage:], RECIPE.words
    each = minutes and minutes / (sum(stage.plan.steps for stage in stages) + words.steps)
    if stages:
        deck = make_deck(library, plans, autoencoder, tokenizer_files, folder, device)
        train_flow(flow, stages, library, deck, weights, folder, each, device)
        blend(flow.cpu(), before, keep)
    run = Run(folder / words_of(flow), minutes=each and each * words.steps)
    fit_words(flow.to(device), partial(draw_sayings, plans, words.kinds), weights, run, words)
    export(flow.cpu(), autoencoder, tokenizer_files, output)
    typer.echo(f"Wrote {output}. Look at it: ALPENGLOW_MODELS_DIR={output.parent} alpenglow generate 'a dog' -m demo")


def begin_on(device: str) -> None:
    """Compute there from now on, in TF32 where a GPU would take full precision, and with the chance of the recipe."""
    try:
        make_current(device_named(device))
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--device") from None
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(RECIPE.seed)


def begin(start: Path | None, folder: Path, packages: Path, lexicon: Lexicon) -> tuple[Flow, AutoEncoder, Path]:
    """Flow, autoencoder and the folder of the tokenizer: those of the checkpoint `start`, or new ones."""
    if start is not None:
        files = Files.in_folder(start)
        networks = load_networks(ARCHITECTURE, files, torch.float32)
        flow = Flow(networks.transformer, networks.text_encoder).requires_grad_()
        return flow, networks.autoencoder, files.tokenizer
    autoencoder, tokenizer_files = make_autoencoder(folder, packages), make_tokenizer(folder, packages, lexicon)
    flow = Flow(Flux2Transformer(ARCHITECTURE.transformer), TextEncoder(ARCHITECTURE.text_encoder))
    initialise_flow(flow)
    tokenizer, names = Tokenizer.from_folder(tokenizer_files, LENGTH), lexicon.names()
    own = {word: entry for word, entry in added_words(tokenizer_files) if word not in names}
    begin_words(flow.text_encoder, tokenizer, own, lexicon.known_to(tokenizer_files))
    return flow, autoencoder, tokenizer_files


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


def make_tokenizer(folder: Path, packages: Path, lexicon: Lexicon) -> Path:
    """Fit the vocabulary, once, on captions as they occur in training, and add words; the folder that it is in."""
    if not (folder / "tokenizer").exists():
        library, unfinished = load_drawings(packages), folder / "tokenizer.partial"
        captions = training_prompts(library, np.random.default_rng(RECIPE.seed), RECIPE.vocabulary_captions)
        fit_tokenizer(captions, ARCHITECTURE.text_encoder.vocab_size - RECIPE.added_words, unfinished)
        add_words(unfinished, lexicon.entries(unfinished)[: RECIPE.added_words])
        unfinished.rename(folder / "tokenizer")
    return folder / "tokenizer"


def make_deck(
    library: Library,
    plans: dict[str, Plans],
    autoencoder: AutoEncoder,
    tokenizer_files: Path,
    folder: Path,
    device: str,
) -> Deck:
    """Render what pictures are put together from, once, and be ready to draw batches of them."""
    composer = Composer(render_all(library, folder / "rendered"), LinearEncoder.of(autoencoder.eval()), device)
    return Deck(plans, Tokenizer.from_folder(tokenizer_files, LENGTH).encode([""]), composer)


def train_flow(
    flow: Flow,
    stages: Sequence[Stage],
    library: Library,
    deck: Deck,
    weights: Tensor,
    folder: Path,
    each: float | None,
    device: str,
) -> None:
    """Fit transformer and text encoder stage by stage, taking so many minutes for `each` step of a stage if that is
    said.
    """
    for stage in stages:
        run = Run(folder / f"flow-{RECIPE.flow.index(stage)}", minutes=each and each * stage.plan.steps)
        if each or run.steps_done < stage.plan.steps:
            leaning = np.array([stage.leaning.get(style, 1.0) for _, style in library.drawings])
            deck.focus(focus(flow.to(device), deck, leaning, weights))
        draw = partial(deck.draw, parts=stage.parts, sampled=stage.plan.sampled)
        fit_flow(flow, draw, weights, run, stage.plan, device)


def words_of(flow: Flow) -> str:
    """What the words' folder is called: by the text encoder that they begin with, since another's are nothing to resume
    from.
    """
    found = hashlib.sha256()
    for parameter in flow.text_encoder.parameters():
        found.update(parameter.detach().cpu().numpy().tobytes())
    return f"words-{found.hexdigest()[:8]}"


if __name__ == "__main__":
    typer.run(main)
