"""`alpenglow generate`: one picture, by an engine in this process."""

import json
import os
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from alpenglow.cli.inline import inline
from alpenglow.cli.options import AsJsonObject, Config, Device, Precision, Threads, leave, open_engine
from alpenglow.errors import AlpenglowError, InvalidImage
from alpenglow.imaging import REFERENCE_SIDE, ImageFormat, Provenance, encode, fit_within, read_reference
from alpenglow.request import (
    MAX_GUIDANCE,
    MAX_REFERENCES,
    MAX_SEED,
    MAX_SIDE,
    MIN_SIDE,
    RGB,
    GenerationRequest,
    GenerationResult,
    random_seed,
)
from alpenglow.request import Progress as StepsDone
from alpenglow.settings import Settings, terminal_graphics

INTERRUPTED = 130
"""What shells give programs that Ctrl-C ended."""

FORMATS: dict[str, ImageFormat] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}


def _output(path: Path) -> Path:
    if path.suffix.lower() not in FORMATS:
        raise typer.BadParameter(f"the name of the picture must end in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be written")
    return path


def _prompt(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("the prompt is empty")
    return text


def _images(paths: list[Path] | None) -> list[Path] | None:
    if paths and len(paths) > MAX_REFERENCES:
        raise typer.BadParameter(f"at most {MAX_REFERENCES} images can be given")
    return paths


def generate(
    prompt: Annotated[
        str, typer.Argument(callback=_prompt, help="What to draw. Given images are image 0, image 1, ...")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", callback=_output, help="Where to: .jpg, .png or .webp.")
    ] = Path("picture.jpg"),
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", "-i", callback=_images, exists=True, dir_okay=False, help="A reference; up to four."),
    ] = None,
    width: Annotated[int, typer.Option(min=MIN_SIDE, max=MAX_SIDE, help="Pixels, floored to a multiple of 16.")] = 1024,
    height: Annotated[int, typer.Option(min=MIN_SIDE, max=MAX_SIDE, help="Likewise.")] = 768,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MAX_SEED, help="The same seed gives the same picture.", show_default="a new one"),
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(min=0, max=MAX_GUIDANCE, help="Above 1: follow the prompt more closely, at twice the work."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Checkpoint to load.", show_default="demo")] = None,
    device: Device = None,
    precision: Precision = None,
    threads: Threads = None,
    as_json: AsJsonObject = False,
    config: Config = None,
) -> None:
    r"""Make one picture on this machine, without a server.

    alpenglow generate "a sunset at the alps" -o sunset.jpg
    alpenglow generate "a fox beside a house" --width 512 --seed 7 -o fox.png
    alpenglow generate -i style.png -i subject.png -o restyled.jpg \
      "take the subject of image 1 and style it like image 0"
    """
    given: dict[str, object] = {"models": [model] if model else None, "device": device, "precision": precision}
    settings = Settings.load(given | {"threads": threads, "config_file": config})
    request = GenerationRequest(
        model=settings.models[0],
        prompt=prompt,
        width=width,
        height=height,
        seed=random_seed() if seed is None else seed,
        guidance=guidance,
        references=tuple(_reference(path, settings.max_reference_pixels) for path in image or ()),
    )
    began = time.perf_counter()
    result = _run(settings, request)
    seconds = time.perf_counter() - began
    provenance = Provenance(result.answered_by, result.seed, prompt if settings.embed_prompt else None)
    try:
        output.write_bytes(encode(result.image, FORMATS[output.suffix.lower()], provenance=provenance))
    except OSError as error:
        raise AlpenglowError(f"{output} cannot be written: {error.strerror}") from error
    _tell(output, result, seconds, as_json=as_json)


def _tell(output: Path, result: GenerationResult, seconds: float, *, as_json: bool) -> None:
    """One line, or an object; before the line the picture itself, where the terminal can."""
    height, width, _ = result.image.shape
    if as_json:
        made = {"file": str(output), "width": width, "height": height, "seed": result.seed}
        typer.echo(json.dumps(made | {"seconds": round(seconds, 3), "weights": result.answered_by}))
        return
    for note in result.notes:
        typer.echo(note, err=True)
    protocol = terminal_graphics()
    if protocol and sys.stdout.isatty():
        typer.echo(inline(result.image, protocol))
    typer.echo(f"{output}  {width}x{height}  seed {result.seed}  {seconds:.2f} s  by {result.answered_by}")


def _reference(path: Path, max_pixels: int) -> RGB:
    try:
        return fit_within(read_reference(path.read_bytes(), max_pixels), REFERENCE_SIDE)
    except OSError as error:
        raise InvalidImage(f"{path} cannot be read: {error.strerror}") from error
    except AlpenglowError as error:
        raise InvalidImage(f"{path}: {error}") from error


def _run(settings: Settings, request: GenerationRequest) -> GenerationResult:
    """Open an engine, make the picture with a bar over the steps (on a terminal), close the engine."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bar:
        steps = bar.add_task("loading", total=None)
        engine, loader = open_engine(settings)
        engine.start(loader)
        try:
            engine.wait_until_ready()

            def show(done: StepsDone) -> None:
                bar.update(steps, description="denoising", completed=done.step, total=done.steps)

            future: Future[GenerationResult] = engine.submit(request, show)
            return future.result()
        except KeyboardInterrupt:
            engine.close()
            leave(engine, INTERRUPTED)
            raise
        finally:
            engine.close()
