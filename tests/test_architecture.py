"""The house rules that a machine can hold: who may import whom, one door for each thing, short files and functions.

Every rule is a row of a table; the walk reads the source and never imports it.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "src" / "alpenglow"
SOURCES = sorted(HOUSE.rglob("*.py"))

MAY_IMPORT = {
    "errors": set(),
    "allocator": set(),
    "request": {"errors"},
    "imaging": {"errors", "request"},
    "settings": {"errors"},
    "models": set(),
    "weights": {"models", "errors"},
    "catalogue": {"request", "models", "weights", "errors"},
    "engine": {"allocator", "catalogue", "models", "weights", "request", "imaging", "errors"},
    "ledger": {"errors"},
    "api": {"allocator", "request", "errors", "imaging", "settings", "ledger"},
    "training": {"catalogue", "models", "weights", "engine", "request", "errors"},
    "cluster": {"api", "engine", "request", "settings", "ledger", "errors"},
    # cli may import anything; nobody imports cli
}
"""Room -> rooms of ours that it may import, beside itself."""

DOORS = {
    "reads the environment": (r"os\.(environ|getenv)\b", ["settings.py"]),
    "opens model files": (r"safetensors\b", ["weights/"]),
    "unpickles": (r"pickle\b|torch\.load\b", ["training/"]),
    "names an attention kernel": (
        r".*\b(scaled_dot_product_attention|flex_attention)\b|flash_attn\b|xformers\b",
        ["models/attention.py"],
    ),
    "quantises or compiles modules": (
        r"torch\.(compile|ao)\b|torchao\b|.*\b(qlinear_\w+|_linear_pointwise|_scaled_mm|_int_mm)\b",
        ["engine/optimize.py", "engine/linears.py", "training/"],
    ),
    "chooses device or dtype": (
        r"torch\.(cuda|mps|xpu|accelerator|backends|set_default_\w+|set_num_threads|set_float32_matmul_precision)\b",
        ["engine/device.py", "engine/offload.py", "engine/graphs.py", "engine/pipeline.py", "training/"],
    ),
    "knows HTTP statuses": (
        r"http\.HTTPStatus\b|(fastapi|starlette)\.status\b|(40\d|41[0-8]|42\d|499|50\d)$",
        ["api/envelope.py"],
    ),
    "contains SQL": (r"(sqlalchemy|sqlite3|psycopg|alembic)\b", ["ledger/"]),
    "imports ray": (r"ray\b", ["cluster/"]),
    "imports torch": (r"torch\b", ["models/", "weights/", "engine/", "catalogue.py", "training/"]),
    "serves HTTP": (r"(fastapi|starlette|uvicorn)\b", ["api/", "cluster/", "cli/"]),
    "prints or exits": (r"(print|exit|quit|input|sys\.exit|SystemExit|os\._exit)$", ["cli/", "training/"]),
}
"""What is done -> (names that do it, files and rooms that may)."""

PURE = r"(os|pathlib|io|logging|time|random)\.|open$"
"""What the models never touch: files, the environment, clocks, logs."""

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def names_used(tree: ast.Module) -> dict[str, int]:
    """Every name, attribute chain and import in full (`F.gelu` is `torch.nn.functional.gelu`) -> its line.

    Names bound by `import a.b as c` and `from a import b` are resolved; attributes of anything else begin with a dot.
    Numbers are in too, for HTTP statuses.
    """
    bound: dict[str, str] = {}
    used: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
                used[alias.name] = node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import by the full name"
            for alias in node.names:
                bound[alias.asname or alias.name] = used_name = f"{node.module}.{alias.name}"
                used[used_name] = node.lineno
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            parts, inner = [], node
            while isinstance(inner, ast.Attribute):
                parts.append(inner.attr)
                inner = inner.value
            root = inner.id if isinstance(inner, ast.Name) else ""
            known = root in bound or not parts  # `time.shape` of a local is not the module's
            used[".".join([bound.get(root, root) if known else "", *reversed(parts)])] = node.lineno
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            used[str(node.value)] = node.lineno
    return used


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports_of_ours(tree: ast.Module) -> set[str]:
    """Rooms of alpenglow that a file imports, at its top or late, for types or for good."""
    modules = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {module.split(".")[1] for module in modules if module.startswith("alpenglow.")} - {"__version__"}


def through_the_wrong_door(file: str, tree: ast.Module) -> list[str]:
    """What `file` (relative to the house) does that another file alone may do."""
    used = names_used(tree)
    doors = [
        (deed, pattern)
        for deed, (pattern, keepers) in DOORS.items()
        if not file.startswith(tuple(keepers)) and not (deed == "knows HTTP statuses" and not file.startswith("api/"))
    ]
    if file.startswith("models/"):
        doors.append(("touches the world", PURE))
    return [
        f"{file}:{line} {deed}: {name}"
        for deed, pattern in doors
        for name, line in used.items()
        if re.match(pattern, name)
    ]


def long_functions(tree: ast.Module) -> list[str]:
    return [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 >= MAX_FUNCTION_LINES
    ]


@pytest.fixture(params=SOURCES, ids=lambda path: str(path.relative_to(HOUSE)))
def source(request):
    return request.param


def test_rooms_import_only_whom_they_may(source):
    room = room_of(source)
    if room in MAY_IMPORT:
        assert imports_of_ours(ast.parse(source.read_text())) - MAY_IMPORT[room] - {room} == set()


def test_each_thing_has_one_door(source):
    assert through_the_wrong_door(source.relative_to(HOUSE).as_posix(), ast.parse(source.read_text())) == []


def test_files_and_functions_are_short(source):
    text = source.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert long_functions(ast.parse(text)) == []


def test_every_room_is_in_the_table():
    assert {room_of(path) for path in SOURCES} <= MAY_IMPORT.keys() | {"cli", "__init__", "__main__"}


LIGHT = ["api", "cli", "errors", "request", "imaging", "settings", "engine/engine", "engine/scheduler", "engine/cache"]


@pytest.mark.parametrize("room", LIGHT)
def test_importing_it_leaves_torch_alone(room):
    """The API and the terminal start in a blink, and the loop is testable without a device."""
    files = [path for path in SOURCES if path.relative_to(HOUSE).as_posix().startswith((f"{room}/", f"{room}.py"))]
    modules = [".".join(path.relative_to(HOUSE.parent).with_suffix("").parts) for path in files]
    code = (
        f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\nsys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("api/app.py", "import os; os.environ['TOKEN']"),
        ("engine/engine.py", "from os import getenv; getenv('TOKEN')"),
        ("engine/pipeline.py", "from safetensors.torch import load_file"),
        ("models/transformer.py", "import torch.nn.functional as F; F.scaled_dot_product_attention(q, k, v)"),
        ("models/transformer.py", "import torch; torch.compile(block)"),
        ("models/transformer.py", "import torch; torch.cuda.is_available()"),
        ("models/transformer.py", "from pathlib import Path"),
        ("models/transformer.py", "weights = open('x')"),
        ("api/app.py", "JSONResponse(body, 503)"),
        ("api/app.py", "from http import HTTPStatus"),
        ("api/metering.py", "import sqlite3"),
        ("engine/engine.py", "import ray"),
        ("settings.py", "import torch"),
        ("engine/engine.py", "from fastapi import FastAPI"),
        ("engine/engine.py", "print('ready')"),
        ("weights/hub.py", "import sys; sys.exit(1)"),
        ("weights/hub.py", "raise SystemExit"),
    ],
)
def test_the_walk_sees_a_wrong_door(file, line):
    assert len(through_the_wrong_door(file, ast.parse(line))) >= 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("settings.py", "import os; os.environ['TOKEN']"),
        ("models/attention.py", "import torch; torch.nn.functional.scaled_dot_product_attention(q, k, v)"),
        ("api/envelope.py", "TABLE = {Overloaded: 429}"),
        ("imaging.py", "QUALITY = 500"),
        ("cli/main.py", "print('ready')"),
        ("api/app.py", "text = 'print 404'; blueprint(512)"),
        ("models/tokens.py", "def ids(time, open_): return time.shape, open_, tensor.open"),
    ],
)
def test_the_walk_leaves_the_right_door_open(file, line):
    assert through_the_wrong_door(file, ast.parse(line)) == []


def test_the_walk_sees_imports_wherever_they_stand():
    code = (
        "import alpenglow.engine.engine\ndef late():\n from alpenglow.weights import hub\n from alpenglow import ledger"
    )
    assert imports_of_ours(ast.parse(code)) == {"engine", "weights", "ledger"}


def test_the_walk_sees_a_long_function():
    assert long_functions(ast.parse("def f():\n" + "    x = 1\n" * 59)) == ["f has 60 lines"]
    assert long_functions(ast.parse("def f():\n" + "    x = 1\n" * 58)) == []
