"""Where checkpoints are looked for."""

import json
import os
from pathlib import Path

import pytest

from alpenglow.errors import WeightsError
from alpenglow.weights import hub
from alpenglow.weights.hub import Files, Published, find, weight_files

KLEIN = Published("black-forest-labs/FLUX.2-klein-9B", "flux-2-klein-9b.safetensors")
PARTS = ("transformer", "vae", "text_encoder", "tokenizer")


def lay(folder: Path, *parts: str) -> Path:
    """Empty files for names with an ending, and folders, each with a file of weights."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        if not part.endswith(".safetensors"):
            folder.joinpath(part).mkdir()
        folder.joinpath(part if part.endswith(".safetensors") else f"{part}/model.safetensors").touch()
    return folder


def snapshot(cache: Path, revision: str, *parts: str) -> Path:
    return lay(cache / "models--black-forest-labs--FLUX.2-klein-9B" / "snapshots" / revision, *parts)


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert find("klein-9b", KLEIN) is None
    assert find("klein-9b", KLEIN, tmp_path / "none", tmp_path / "none") is None


def test_own_folder_comes_before_the_cache(tmp_path: Path) -> None:
    cached = snapshot(tmp_path / "hub", "a", *PARTS)
    assert find("klein-9b", KLEIN, tmp_path / "models", tmp_path / "hub") == Files.in_folder(cached)
    own = lay(tmp_path / "models" / "klein-9b", *PARTS)
    found = find("klein-9b", KLEIN, tmp_path / "models", tmp_path / "hub")
    assert found == Files(own / "transformer", own / "vae", own / "text_encoder", own / "tokenizer")


def test_single_files_stand_in_for_folders(tmp_path: Path) -> None:
    folder = lay(tmp_path, KLEIN.single_file, "ae.safetensors", "text_encoder.safetensors", "tokenizer")
    found = Files.in_folder(folder, KLEIN)
    assert found.transformer == folder / KLEIN.single_file
    assert found.autoencoder == folder / "ae.safetensors"
    assert found.text_encoder == folder / "text_encoder.safetensors"
    lay(folder, "transformer")
    assert Files.in_folder(folder, KLEIN).transformer == folder / "transformer"


def test_a_single_file_in_fp8_stands_in_for_the_other(tmp_path: Path) -> None:
    folder = lay(tmp_path, "flux-2-klein-9b-fp8.safetensors", "vae", "text_encoder", "tokenizer")
    assert Files.in_folder(folder, KLEIN).transformer == folder / "flux-2-klein-9b-fp8.safetensors"
    lay(folder, KLEIN.single_file)
    assert Files.in_folder(folder, KLEIN).transformer == folder / KLEIN.single_file


def test_own_folder_that_lacks_a_part_says_which(tmp_path: Path) -> None:
    lay(tmp_path / "klein-9b", "transformer", "text_encoder", "tokenizer")
    with pytest.raises(WeightsError, match=r"klein-9b is not a whole checkpoint: it has no vae and no ae\.safetensors"):
        find("klein-9b", KLEIN, tmp_path)


def test_cache_prefers_main_then_the_newest_whole_revision(tmp_path: Path) -> None:
    older, newer = snapshot(tmp_path, "b", *PARTS), snapshot(tmp_path, "a", *PARTS)
    os.utime(older, (1, 1))
    os.utime(newer, (2, 2))
    snapshot(tmp_path, "c", "vae")
    assert find("klein-9b", KLEIN, None, tmp_path) == Files.in_folder(newer)
    refs = tmp_path / "models--black-forest-labs--FLUX.2-klein-9B" / "refs"
    lay(refs).joinpath("main").write_text("b")
    assert find("klein-9b", KLEIN, None, tmp_path) == Files.in_folder(older)


def test_incomplete_cache_is_passed_over(tmp_path: Path) -> None:
    snapshot(tmp_path, "a", "transformer")
    assert find("klein-9b", KLEIN, None, tmp_path) is None


def test_a_revision_whose_shards_did_not_all_come_is_passed_over(tmp_path: Path) -> None:
    older, newer = snapshot(tmp_path, "b", *PARTS), snapshot(tmp_path, "a", *PARTS)
    os.utime(older, (1, 1))
    os.utime(newer, (2, 2))
    shards = {"x": "model-00001-of-00002.safetensors", "y": "model-00002-of-00002.safetensors"}
    index = newer / "text_encoder" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    index.with_name(shards["x"]).touch()
    with pytest.raises(WeightsError, match=r"model-00002-of-00002\.safetensors is missing\. Was the download"):
        weight_files(newer / "text_encoder")
    assert find("klein-9b", KLEIN, None, tmp_path) == Files.in_folder(older)
    index.with_name(shards["y"]).touch()
    assert find("klein-9b", KLEIN, None, tmp_path) == Files.in_folder(newer)


def test_a_bundled_row_is_found_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "BUNDLED", tmp_path / "package")
    assert find("demo", None) is None
    bundled = lay(tmp_path / "package" / "demo", *PARTS)
    assert find("demo", None, tmp_path / "models", tmp_path) == Files.in_folder(bundled)
    trained = lay(tmp_path / "models" / "demo", *PARTS)
    assert find("demo", None, tmp_path / "models", tmp_path) == Files.in_folder(trained)
