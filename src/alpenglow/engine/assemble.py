"""From names to an engine: which checkpoints are loaded, and which of them answers for which model."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from alpenglow.catalogue import ROWS, Row, find
from alpenglow.engine.device import device_named
from alpenglow.engine.engine import Engine, Loader
from alpenglow.engine.offload import Offload
from alpenglow.engine.pipeline import Pipeline, plan_for
from alpenglow.engine.scheduler import Limits
from alpenglow.errors import SettingsError, UnknownModel, WeightsError
from alpenglow.request import ModelCard
from alpenglow.weights import hub
from alpenglow.weights.hub import Files


def assemble(
    models: Sequence[str],
    models_dir: Path,
    limits: Limits,
    *,
    cache_dir: Path | None = None,
    device: str = "auto",
    precision: str = "exact",
    offload: Offload = "none",
    threads: int | None = None,
    ignore_guidance: bool = False,
    cache_bytes: int | None = None,
) -> tuple[Engine, Loader]:
    """An engine for these models and what to start it with: `engine.start(loader)`. Nothing is loaded here.

    `cache_dir` is Hugging Face's; other options are those of `Pipeline.load`. Raises WeightsError where a model has no
    files here, and SettingsError for what is no model or what the processor cannot; what a GPU cannot shows as it is
    loaded.
    """
    if (where := device_named(device)).type == "cpu":
        plan_for(where, precision, offload)
    rows = {row: _files(row, models_dir, cache_dir) for row in map(_row, models)}

    def loader() -> Iterator[Pipeline]:
        for row, files in rows.items():
            yield Pipeline.load(
                row,
                files,
                device=device,
                precision=precision,
                offload=offload,
                threads=threads,
                ignore_guidance=ignore_guidance,
                cache_bytes=cache_bytes,
            )

    return Engine(cards(rows), limits), loader


def cards(loaded: Sequence[Row] | dict[Row, Files]) -> tuple[ModelCard, ...]:
    """The models that can be asked for when these rows are loaded.

    A checkpoint that comes with the package stands in for the distilled rows: their names work without a download.
    """
    stand_in = next((row.name for row in loaded if row.published is None), None)
    answers = {row.name: row.name if row in loaded else stand_in if row.distilled else None for row in ROWS}
    return tuple(row.card(answer) for row in ROWS if (answer := answers[row.name]) is not None)


def _row(name: str) -> Row:
    try:
        return find(name)
    except UnknownModel:
        raise SettingsError(f"There is no model {name}: choose one of {', '.join(row.name for row in ROWS)}.") from None


def _files(row: Row, models_dir: Path, cache_dir: Path | None) -> Files:
    files = hub.find(row.name, row.published, models_dir, cache_dir)
    if files is None:
        repo = row.published.repo if row.published else ""
        cached = f" or, whole, in {cache_dir}" if repo and cache_dir else ""
        source = f": run `hf download {repo}`, or put the files of https://huggingface.co/{repo} there" if repo else ""
        raise WeightsError(f"There are no weights for {row.name} in {models_dir / row.name}{cached}{source}.")
    return files
