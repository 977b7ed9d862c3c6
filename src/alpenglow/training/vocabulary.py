"""Fits the demo's tokenizer: byte-level BPE in the form of Qwen2, so that transformers reads it as that class.

Besides what BPE makes of captions it has entries for whole words, as many as an encoder of four layers can hold: it
takes one look at an entry to know it, and layers to put a word together from its pieces.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen2 cuts text before merging: words with the blank before them, digits one by one."""

CHAT_TEMPLATE = "{% for message in messages %}" + START + "{{ message['content'] }}" + END + "{% endfor %}"
"""A start and an end, so that even the empty prompt has tokens for the padding to look at."""


def fit_tokenizer(captions: Iterable[str], size: int, folder: Path) -> None:
    """Fit a vocabulary of `size` tokens on captions and write tokenizer.json, its config and the chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "bos_token": None,
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": None,
        "add_bos_token": False,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "model_max_length": 32,
        "split_special_tokens": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, "utf-8")


def words_for_entries(
    folder: Path,
    words: Collection[str],
    names: Collection[str],
    plurals: Mapping[str, str],
    common: Mapping[str, int],
) -> list[str]:
    """Which words are worth an entry of their own in the tokenizer of `folder`, the first most: `plurals`, by their
    singulars, that begin with other pieces, as bulbs does; then `words`, that mean something, and everyday ones that
    begin with the entry for something else of `names`, as carry does with a car.

    The commoner, the earlier. Those that have an entry have no need of another, and those that are a piece of others,
    as plane is of airplane, would share that piece's.
    """
    pieces, there = pieces_of(folder), Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    unlike = {many for one, many in plurals.items() if many.isalpha() and pieces(many)[0] != pieces(one)[0]}
    meant = [word for word in words if word.isalpha()]
    misread = [word for word, level in common.items() if level <= COMMON and pieces(word)[0][1:] in names]
    taken = {*names} - unlike | {*there}
    several = {word for word in (*meant, *misread, *unlike) if word not in taken and len(pieces(word)) > 1}
    return sorted(several, key=lambda word: (word not in unlike, common.get(word, UNLISTED), word))


def pieces_of(folder: Path) -> Callable[[str], list[str]]:
    """Tells the entries that a word becomes where it stands after a blank."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return lambda word: tokenizer.encode(f" {word}", add_special_tokens=False).tokens


def add_words(folder: Path, words: Iterable[str]) -> None:
    """Give each word an entry of its own, for where it stands alone, in lower case, with the blank before it."""
    path = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.add_tokens([AddedToken(word, single_word=True, lstrip=True, normalized=False) for word in words])
    tokenizer.save(str(path), pretty=False)


def added_words(folder: Path) -> Iterator[tuple[str, int]]:
    """Each word that has an entry of its own, and its id."""
    for entry in json.loads((folder / "tokenizer.json").read_bytes())["added_tokens"]:
        if not entry["special"]:
            yield entry["content"], entry["id"]


COMMON, UNLISTED = 20, 35
"""Up to which of SCOWL's sizes a word is everyday, and where those come that it does not list."""
