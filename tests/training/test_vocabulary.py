"""The demo's vocabulary: which words have an entry of their own, and that they change nothing else."""

import json
import shutil
import warnings

import pytest
from tokenizers import Tokenizer as Vocabulary

from alpenglow.catalogue import find
from alpenglow.training.common_words import common_words
from alpenglow.training.examples import TAUGHT
from alpenglow.training.lexicon import Lexicon
from alpenglow.training.meanings import kind_of
from alpenglow.training.names import everyday_words, plural
from alpenglow.training.recipe import RECIPE
from alpenglow.training.vocabulary import add_words, added_words, fit_tokenizer, pieces_of, words_for_entries
from alpenglow.training.wordings import SAID_AROUND, TELLING, Fillers
from alpenglow.training.wordnet import picturable_nouns
from alpenglow.weights.tokenizer import Tokenizer

CAPTIONS = ["a car beside a dog", "three cars on a blue background", "a dog on a cart in noto style"] * 20


@pytest.fixture
def fitted(tmp_path):
    fit_tokenizer(CAPTIONS, 330, tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def test_entries_are_for_words_that_mean_something_or_would_be_misread(fitted):
    common = {"dog": 10, "carry": 10, "beagle": 35, "poodle": 20, "hard": 10, "carnal": 35, "cars": 10}
    words, names = ["dog", "poodle", "beagle", "two-hump", "ramen"], {"car", "cars", "dog"}
    found = words_for_entries(fitted, words, names, {}, common)
    assert found == ["carry", "poodle", "beagle", "ramen"]  # the commoner first; "hard" is misread as nothing


def test_plurals_that_begin_unlike_their_singulars_come_first(fitted):
    add_words(fitted, ["goose"])
    assert pieces_of(fitted)("geese")[0] != pieces_of(fitted)("goose")[0]
    plurals = {"goose": "geese", "car": "cars", "cart": "carts"}
    assert words_for_entries(fitted, ["poodle"], set(), plurals, {"poodle": 10}) == ["geese", "poodle"]


def test_pieces_of_other_words_get_no_entry_that_they_would_share(fitted):
    there = Vocabulary.from_file(str(fitted / "tokenizer.json")).get_vocab()
    shared = [piece for piece in there if piece.isascii() and piece.isalpha() and len(pieces_of(fitted)(piece)) > 1]
    assert shared
    assert words_for_entries(fitted, [*shared, "beagle"], set(), {}, {}) == ["beagle"]


def test_an_entry_stands_for_a_word_by_itself_and_changes_no_other(fitted):
    before = {text: pieces_of(fitted)(text) for text in (*CAPTIONS, "beagles", "carrying")}
    add_words(fitted, ["beagle", "carry"])
    pieces = pieces_of(fitted)
    entries = dict(added_words(fitted))
    assert list(entries) == ["beagle", "carry"]
    assert len(pieces("beagle")) == len(pieces("carry")) == 1
    assert {text: pieces(text) for text in before} == before
    tokenizer = Tokenizer.from_folder(fitted, 16)
    ids, _ = tokenizer.encode(["beagle", "a beagle, please", "a beagle-like dog", "a beagles"])
    assert [entries["beagle"] in row for row in ids.tolist()] == [True, True, True, False]


def test_a_lexicon_knows_what_the_vocabulary_knows(fitted, few):
    lexicon = Lexicon(few, {"beagle": "dog", "guide dog": "dog", "spaceship": "rocket"}, Fillers((), (), ()), {})
    assert lexicon.plurals() == {"dog": "dogs", "cat": "cats", "kitty": "kitties", "rocket": "rockets"}
    assert lexicon.entries(fitted) == ["beagle", "spaceship"]
    assert lexicon.known_to(fitted) == {"guide dog": "dog"}
    add_words(fitted, lexicon.entries(fitted)[:1])
    assert lexicon.known_to(fitted) == {"beagle": "dog", "guide dog": "dog"}


def test_a_lexicon_that_was_read_is_kept_for_the_same_things(few, tmp_path, monkeypatch):
    reads = []

    def read(packages, library):
        reads.append(packages)
        return Lexicon(library, {"beagle": "dog"}, Fillers((("old",),), (("sitting",),), (("fence",),)), {"beagle": 35})

    monkeypatch.setattr(Lexicon, "read", read)
    first, again = (Lexicon.kept(tmp_path, few) for _ in range(2))
    assert again.words == first.words == {"beagle": "dog"}
    assert again.common == {"beagle": 35}
    assert again.around == ([["old"]], [["sitting"]], [["fence"]])
    assert len(reads) == 1
    Lexicon.kept(tmp_path, few.only({"dog"}))
    assert len(reads) == 2


def test_the_bundled_vocabulary_has_words_that_need_it(packages, library, demo_files, tmp_path):
    """Of more than one piece without, and all of those that everybody calls a thing or a kind of it by."""
    there = dict(added_words(demo_files.tokenizer))
    first = find("demo").architecture.text_encoder.vocab_size - RECIPE.added_words
    assert len({entry for entry in there.values() if entry >= first}) == RECIPE.added_words
    assert max(there.values()) < find("demo").architecture.text_encoder.vocab_size
    shutil.copytree(demo_files.tokenizer, tmp_path / "bare")
    leave_out_words(tmp_path / "bare")
    pieces = pieces_of(tmp_path / "bare")
    assert min(len(pieces(word)) for word in there) > 1

    taught, common, nouns = library.only(TAUGHT), common_words(packages), picturable_nouns(packages)
    called = everyday_words(taught.concepts)
    kinds = {word for word, level in common.items() if level <= 35 and word in nouns and kind_of(nouns[word], called)}
    shared = Vocabulary.from_file(str(tmp_path / "bare" / "tokenizer.json")).get_vocab().keys()
    missing = {word for word in kinds - there.keys() - shared if len(pieces(word)) > 1}
    assert missing <= TELLING | SAID_AROUND | called.keys() | {plural(name) for name in taught.concepts}
    assert {"puppy", "corgi", "sedan", "yacht"} <= there.keys()


def leave_out_words(folder):
    path = folder / "tokenizer.json"
    content = json.loads(path.read_bytes())
    content["added_tokens"] = [entry for entry in content["added_tokens"] if entry["special"]]
    path.write_text(json.dumps(content), "utf-8")


def test_transformers_reads_the_same_words(demo_files, tokenizer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import AutoTokenizer

        theirs = AutoTokenizer.from_pretrained(demo_files.tokenizer)
    prompts = ["a corgi on a yacht", "Puppies, and a puppy.", "carry a sedan", "an ape-like robot"]
    ids, mask = tokenizer.encode(prompts)
    for prompt, row, real in zip(prompts, ids, mask, strict=True):
        text = theirs.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False)
        assert theirs(text)["input_ids"] == row[real].tolist()
