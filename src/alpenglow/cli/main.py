"""The `alpenglow` command: its subcommands, and how their errors are told."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from alpenglow import __version__
from alpenglow.cli.doctor import doctor
from alpenglow.cli.generate import generate
from alpenglow.cli.ledger import accounts, tokens
from alpenglow.cli.models import models
from alpenglow.cli.serve import serve
from alpenglow.cli.usage import usage
from alpenglow.errors import AlpenglowError


def main() -> None:
    """Run the command line. Our own errors end it with one sentence and exit code 1; a wrong usage with 2."""
    try:
        app()
    except AlpenglowError as error:
        Console(stderr=True).print(f"{error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


app = typer.Typer(
    name="alpenglow",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Every setting is also an environment variable [bold]ALPENGLOW_...[/] and a key of [bold]alpenglow.toml[/].",
)
app.command()(serve)
app.command()(generate)
app.command()(models)
app.command()(doctor)
app.command()(usage)
app.add_typer(accounts, name="accounts")
app.add_typer(tokens, name="tokens")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"alpenglow {__version__}")
        raise typer.Exit


@app.callback()
def _alpenglow(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    r"""FLUX.2 \[klein] on your own machine, behind Cloudflare Workers AI's API.

    [bold]alpenglow serve[/]                             answer curl on 127.0.0.1:8770
    [bold]alpenglow generate "a sunset at the alps"[/]   make one picture, no server needed
    [bold]alpenglow models[/]                            whose weights answer

    It works at once: a small demo checkpoint comes along and answers for the
    klein models until their own weights are loaded.
    """


if __name__ == "__main__":
    main()
