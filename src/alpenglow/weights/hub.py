"""Where a checkpoint lies on this machine. Offline: nothing is fetched, the environment is not read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from alpenglow.errors import WeightsError

BUNDLED = Path(__file__).parent.parent
"""Checkpoints that come with the package are folders in it, named as their row."""


STEMS = ("diffusion_pytorch_model", "model")
"""File names, without ending, that diffusers and transformers give to the weights in a component folder."""


@dataclass(frozen=True)
class Published:
    """Where a checkpoint is published: a Hugging Face repository and, in it, BFL's single file of the transformer."""

    repo: str
    single_file: str

    @property
    def single_files(self) -> tuple[str, str]:
        """That file and its quantised sibling, which BFL publishes in a repository of its own."""
        return self.single_file, self.single_file.replace(".safetensors", "-fp8.safetensors")


@dataclass(frozen=True)
class Files:
    """The parts of a checkpoint: component folders of diffusers or, but for the tokenizer, single files."""

    transformer: Path
    autoencoder: Path
    text_encoder: Path
    tokenizer: Path

    @classmethod
    def in_folder(cls, folder: Path, published: Published | None = None) -> Self:
        """The parts in a folder; component folders come before single files. WeightsError names what is not there."""

        def part(*names: str) -> Path:
            found = next((folder / name for name in names if (folder / name).exists()), None)
            if found is None:
                raise WeightsError(f"{folder} is not a whole checkpoint: it has no {' and no '.join(names)}")
            return found

        return cls(
            transformer=part("transformer", *(published.single_files if published else ())),
            autoencoder=part("vae", "ae.safetensors", "flux2-vae.safetensors"),
            text_encoder=part("text_encoder", "text_encoder.safetensors"),
            tokenizer=part("tokenizer"),
        )


def find(
    name: str, published: Published | None, models_dir: Path | None = None, cache_dir: Path | None = None
) -> Files | None:
    """The files of a row, or None where there are none.

    Looked for in `models_dir/name` first; then, if the row is published, in Hugging Face's cache (`cache_dir`, the
    folder that holds `models--...`), else in the package. A folder in `models_dir` that lacks a part is a WeightsError;
    an incomplete one in the cache, which other programs fill too, and stop filling, is passed over.
    """
    if models_dir is not None and (models_dir / name).is_dir():
        return Files.in_folder(models_dir / name, published)
    if published is None:
        return Files.in_folder(BUNDLED / name) if (BUNDLED / name).is_dir() else None
    for snapshot in _snapshots(published.repo, cache_dir) if cache_dir else ():
        try:
            files = Files.in_folder(snapshot, published)
            for part in (files.transformer, files.autoencoder, files.text_encoder):
                weight_files(part)
        except WeightsError:
            continue
        return files
    return None


def weight_files(path: Path) -> list[Path]:
    """The safetensors files that a file, an index of shards or a component folder means. WeightsError names what is not
    there.
    """
    if path.is_dir():
        names = [f"{stem}{ending}" for stem in STEMS for ending in (".safetensors.index.json", ".safetensors")]
        found = next((path / name for name in names if (path / name).exists()), None)
        if found is None:
            raise WeightsError(f"{path} holds no weights: none of {', '.join(names)} is there")
        return weight_files(found)
    files = [path]
    if path.suffix == ".json":
        try:
            shards = set(json.loads(path.read_bytes())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WeightsError(f"{path} is not an index of shards") from error
        files = [path.parent / shard for shard in sorted(shards)]
    for file in files:
        if not file.exists():
            raise WeightsError(f"{file} is missing. Was the download interrupted?")
    return files


def _snapshots(repo: str, cache_dir: Path) -> Iterator[Path]:
    """Downloaded revisions of a repository: the one that `main` was last, then the others, newest first."""
    home = cache_dir / f"models--{repo.replace('/', '--')}"
    main = home / "refs" / "main"
    if main.exists():
        yield home / "snapshots" / main.read_text("utf-8").strip()
    yield from sorted(home.glob("snapshots/*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
