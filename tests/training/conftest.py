"""The drawings that the demo is taught, for every test of training."""

import shutil

import pytest
import torch
from filelock import FileLock

from alpenglow.catalogue import find
from alpenglow.models.text_encoder import TextEncoder, TextEncoderConfig
from alpenglow.models.transformer import Flux2Transformer, TransformerConfig
from alpenglow.training.batches import Deck, draw_plans
from alpenglow.training.compose import Composer
from alpenglow.training.drawings import fetch_packages, load_drawings
from alpenglow.training.examples import KINDS
from alpenglow.training.fit_flow import Flow, initialise_flow
from alpenglow.training.linear_start import LinearEncoder
from alpenglow.training.pictures import TOKEN
from alpenglow.training.pixels import render_all
from alpenglow.training.wordings import Fillers, Rewriter
from alpenglow.weights import hub
from alpenglow.weights.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def packages(pytestconfig):
    """The icon sets, fetched once and kept between runs."""
    if shutil.which("npm") is None:
        pytest.skip("npm, which brings the drawings, is not installed")
    folder = pytestconfig.cache.mkdir("icon-sets")
    with FileLock(folder / "fetching.lock"):  # tests run in several processes
        return fetch_packages(folder)


@pytest.fixture(scope="session")
def library(packages):
    return load_drawings(packages)


@pytest.fixture(scope="session")
def few(library):
    """Three concepts."""
    return library.only({"dog", "cat", "rocket"})


@pytest.fixture(scope="session")
def rewrite(few):
    """Says captions of the three otherwise."""
    words = {"puppy": "dog", "kitten": "cat", "spaceship": "rocket"}
    return Rewriter(few, words, Fillers((("fluffy", "old"),), (("sleeping",),), (("ladder",),)))


@pytest.fixture(scope="session")
def reference_counts():
    """How many references an example may have, for each kind that has any."""
    return {
        **{kind: {1} for kind in ("place", "make style", "shift")},
        **{kind: {2} for kind in ("restyle", "beside", "beside by name")},
        "together": {3, 4},
        "recolour": {1, 2, 3, 4},
    }


@pytest.fixture(scope="session")
def demo_files():
    files = hub.find("demo", None)
    assert files is not None
    return files


@pytest.fixture(scope="session")
def tokenizer(demo_files):
    return Tokenizer.from_folder(demo_files.tokenizer, 32)


@pytest.fixture(scope="session")
def deck(few, rewrite, demo_files, tokenizer, tmp_path_factory):
    """Batches of every kind about the three; a token's only latent is its brightness."""
    encoder = LinearEncoder(torch.full((1, 3, TOKEN, TOKEN), 1 / (3 * TOKEN * TOKEN)), torch.zeros(1))
    rendered = render_all(few, tmp_path_factory.mktemp("deck"), ((256, 256), (512, 512)))
    plans = draw_plans(few, rewrite, demo_files.tokenizer, 32, dict.fromkeys(KINDS, 1), 0)
    return Deck(plans, tokenizer.encode([""]), Composer(rendered, encoder, "cpu"))


@pytest.fixture(scope="session")
def small_flow():
    """Makes flows that have learned nothing, by the number of a token's channels: they say zero everywhere."""
    text = TextEncoderConfig(
        vocab_size=find("demo").architecture.text_encoder.vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_heads=2,
        num_kv_heads=2,
        head_dim=16,
        taps=(1,),
    )

    def make(channels):
        torch.manual_seed(0)
        image = TransformerConfig(
            hidden_size=64,
            num_heads=2,
            num_double_blocks=1,
            num_single_blocks=1,
            context_dim=32,
            in_channels=channels,
            axes_dim=(8, 8, 8, 8),
        )
        flow = Flow(Flux2Transformer(image), TextEncoder(text))
        initialise_flow(flow)
        return flow

    return make
