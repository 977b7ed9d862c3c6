"""Writes the checkpoint as diffusers lays it out, with a card that says what it was made from."""

import shutil
from pathlib import Path

import torch

from alpenglow.models.autoencoder import AutoEncoder
from alpenglow.training.drawings import SOURCES
from alpenglow.training.examples import TAUGHT
from alpenglow.training.fit_flow import Flow
from alpenglow.training.meanings import SENTENCE_ENCODER
from alpenglow.training.things import FAVOURITES, OTHERS
from alpenglow.weights.pipeline_folder import save_pipeline

LARGEST_FILE = 16_000_000
"""Bytes: no file of the checkpoint is larger, so that it is easily kept under version control."""


def export(flow: Flow, autoencoder: AutoEncoder, tokenizer: Path, folder: Path) -> None:
    """Replace `folder` by a whole checkpoint in bf16. A reader never sees half of one."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    networks = (flow.transformer, autoencoder, flow.text_encoder)
    save_pipeline(partial, *networks, dtype=torch.bfloat16, shard_bytes=LARGEST_FILE)
    shutil.copytree(tokenizer, partial / "tokenizer")
    (partial / "README.md").write_text(model_card(), "utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def model_card() -> str:
    """What the checkpoint is, what it can and cannot do, and whose drawings it learned from."""
    sources = "\n".join(
        f"| {source.title} | {source.author} | {source.licence} | `{source.package}` {source.version} |"
        for source in (*SOURCES.values(), SENTENCE_ENCODER)
    )
    return CARD.format(
        sources=sources,
        count=len(TAUGHT),
        favourites=", ".join(sorted(FAVOURITES)),
        others="\n\n".join(f"{group.capitalize()}: {', '.join(sorted(names))}." for group, names in OTHERS.items()),
    )


CARD = """\
# alpenglow demo

A small model of the FLUX.2 architecture, trained from scratch by `python -m alpenglow.training`, so that everything
around a model can be run, seen and tested on a laptop. It draws emoji-like pictures of {count} things in four drawing
styles, one to four of them, small, side by side or one on another, landscapes, and the edits that FLUX.2 [klein] is
documented with, on up to four references: the subject of one in the style of another, several in one picture, another
background, another place. It knows little else, it is not FLUX.2 [klein], and its pictures say nothing about that
model's quality.

How well: it draws things by their names, in four styles, at every size from 256x256 to 1920x1920; pale things are
faint, details of small ones soft. Above 512x512 a thing keeps the size that it has there. Landscapes are clear at
512x512, soft at 1024x768 and 1024x1024, and light and horizon beyond; a thing named in one is clear or blurred. A
reference is recognised on another background, in another place, moved to a side, beside or among others, at 256x256
and 512x512; restyled like another one if it shows a thing of the first list, mostly if it shows another that it was
taught. Fourteen hundred other words mean the nearest of its things, nine times in ten; prompts as people type them,
with words that it cannot draw, give the things that they name three times in four. Every seed draws nearly the same
picture.

The things: {favourites}.

{others}

Four steps, guidance 1. One token covers 64 x 64 pixels. Prompts of up to 30 tokens, in English.

## Licence

The weights are under Apache-2.0. They were trained on drawings and words by others, to whom thanks are due:

| what | by | licence | package |
|---|---|---|---|
{sources}

Landscapes are drawn by alpenglow itself.
"""
