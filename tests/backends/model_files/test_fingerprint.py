"""What identifies a model of the hf backend, what loads when, and what cannot be opened."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backends.errors import BackendError
from backends.hf.backend import HFBackend
from backends.identity import fingerprint_key
from backends.model_files.fingerprint import Digests
from tests.support.paths import ROOT, STORIES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a model's folder looks like; the fingerprint needs no real weights."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "dtype": "bfloat16"}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "model.safetensors").write_bytes(bytes(1000))
    (folder / "README.md").write_text("about")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def fingerprint(folder: Path, **options: Any) -> Mapping[str, str]:
    return HFBackend(str(folder), **options).fingerprint


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("config.json", "config"),
        ("generation_config.json", "config"),
        ("tokenizer.json", "tokenizer"),
        ("tokenizer.model", "tokenizer"),
        ("vocab.txt", "tokenizer"),
        ("special_tokens_map.json", "tokenizer"),
        ("chat_template.jinja", "chat_template"),
        ("model.safetensors", "weights"),
        ("model-00002-of-00002.safetensors", "weights"),
        ("model.safetensors.index.json", "weights"),
    ],
)
def test_a_changed_file_changes_its_part_of_the_fingerprint(
    folder: Path, home: Path, file: str, part: str
) -> None:
    before = fingerprint(folder, home=home)
    content = json.dumps({"model_type": "llama", "dtype": "bfloat16", "more": 1}).encode()
    (folder / file).write_bytes(content)
    assert changes(before, fingerprint(folder, home=home)) == {part}


def test_weights_of_the_same_size_and_time_are_told_apart(folder: Path, home: Path) -> None:
    weights = folder / "model.safetensors"
    before = fingerprint(folder, home=home)
    times = weights.stat()
    other = folder / "other"
    other.write_bytes(b"1" * 1000)
    other.replace(weights)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert changes(before, fingerprint(folder, home=home)) == {"weights"}


def test_what_does_not_change_answers_is_not_in_the_fingerprint(folder: Path, tmp_path: Path) -> None:
    before = fingerprint(folder)
    (folder / "README.md").write_text("more about")
    (folder / "modeling.py").write_text("pass")
    moved = shutil.copytree(folder, tmp_path / "moved")
    other = fingerprint(moved, batch_size=3, device="cpu", attn_implementation="eager")
    assert other == before


@pytest.mark.parametrize(
    "file",
    [
        *("spiece.model", "sentencepiece.bpe.model", "spm.model", "source.spm", "tokenizer.model.v3"),
        *("qwen.tiktoken", "tekken.json", "bpe.codes", "dict.txt", "emoji.json", "anything.else"),
    ],
)
def test_whatever_a_tokenizer_may_read_is_in_the_fingerprint(folder: Path, file: str) -> None:
    before = fingerprint(folder)
    (folder / file).write_text("1")
    first = fingerprint(folder)
    (folder / file).write_text("2")
    assert changes(before, first) == changes(first, fingerprint(folder)) == {"other files"}
    (folder / file).unlink()
    assert fingerprint(folder) == before


def test_what_the_code_of_a_tokenizer_may_read_is_in_the_fingerprint_where_it_may_run(folder: Path) -> None:
    (folder / "words").mkdir()
    (folder / "words" / "list.txt").write_text("1")
    assert "other files" not in fingerprint(folder)
    assert "other files" in fingerprint(folder, trust_remote_code=True)


@pytest.mark.parametrize(
    "file",
    [
        *(
            "LICENSE",
            "LICENSE.txt",
            "USE_POLICY.md",
            "figure.png",
            ".gitattributes",
            ".cache/huggingface/x.json",
        ),
        *("optimizer.pt", "scheduler.pt", "rng_state_0.pth", "trainer_state.json", "train_results.json"),
        *("checkpoint-500/tokenizer.json", "checkpoint-500/spiece.model", "runs/events.out.tfevents.1"),
        *("model.onnx", "onnx/model.onnx", "tf_model.h5", "model.Q4_K_M.gguf", "preprocessor_config.json"),
    ],
)
def test_documentation_and_training_state_leave_the_fingerprint_as_it_was(folder: Path, file: str) -> None:
    before = fingerprint(folder)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text("1")
    assert fingerprint(folder) == before


def test_a_folder_of_files_that_were_always_known_keeps_its_fingerprint(folder: Path) -> None:
    assert fingerprint_key(fingerprint(folder)) == "c2fda5f8b5378bc145d8db0475a1cc3a"


@pytest.mark.parametrize(
    ("option", "part"),
    [
        ({"dtype": "float32"}, "dtype"),
        ({"max_length": 99}, "max_length"),
        ({"add_bos_token": False}, "add_bos_token"),
    ],
)
def test_an_option_that_changes_answers_changes_the_fingerprint(
    folder: Path, option: dict[str, Any], part: str
) -> None:
    assert changes(fingerprint(folder), fingerprint(folder, **option)) == {part}


def test_code_of_the_model_counts_where_it_may_run(folder: Path) -> None:
    before = fingerprint(folder, trust_remote_code=True)
    (folder / "modeling.py").write_text("pass")
    assert changes(before, fingerprint(folder, trust_remote_code=True)) == {"code"}


def test_the_configured_dtype_and_auto_are_one_model(folder: Path) -> None:
    assert fingerprint(folder) == fingerprint(folder, dtype="bfloat16")


def test_an_adapter_is_part_of_the_fingerprint(folder: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(b"1")
    before = fingerprint(folder, peft=str(adapter))
    assert changes(fingerprint(folder), before) == {"adapter"}
    weights.write_bytes(b"22")
    assert changes(before, fingerprint(folder, peft=str(adapter))) == {"adapter"}


def test_untouched_files_are_not_read_again(folder: Path, home: Path) -> None:
    weights = folder / "model.safetensors"
    assert Digests(home).of(weights) == Digests(None).of(weights)
    with closing(sqlite3.connect(home / "digests.sqlite")) as memory, memory:
        memory.execute("update digests set sha256 = 'remembered'")
    assert Digests(home).of(weights) == "remembered"
    weights.touch()
    assert Digests(home).of(weights) == Digests(None).of(weights)


def test_processes_share_the_remembered_digests(folder: Path, home: Path) -> None:
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(Digests(home).of, [folder / "model.safetensors", folder / "config.json"] * 8))
    assert set(found[::2]) == {Digests(None).of(folder / "model.safetensors")}


def test_a_hub_model_is_its_commit(tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "models--org--tiny"
    snapshot = cache / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    (snapshot / "config.json").write_text('{"dtype": "float16"}')
    script = (
        "import sys, json; from backends.hf.backend import HFBackend;"
        "print(json.dumps(dict(HFBackend('org/tiny').fingerprint)));"
        "print('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    found, loaded = run(script, HF_HUB_CACHE=str(tmp_path), HF_HUB_OFFLINE="1").splitlines()
    assert json.loads(found)["commit"] == commit
    assert json.loads(found)["dtype"] == "float16"
    assert loaded == "False"


def test_importing_the_backend_loads_no_model_library() -> None:
    script = "import sys, backends.hf.backend; print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    assert run(script).strip() == "set()"


def run(script: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("/no/such/folder", {}, "no such folder"),
        ("./nothing", {}, "no such folder"),
        ("org/not-there", {}, "neither a folder nor found on the hub"),
        ("org/not-there", {"revision": "v2"}, "at revision v2"),
        ("gpt2", {"batch_size": 0}, "at least 1"),
    ],
)
def test_a_model_that_is_not_there_says_what_to_give(
    monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any], message: str
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BackendError, match=message):
        HFBackend(name, **options).fingerprint  # noqa: B018


def test_a_folder_has_no_revision(folder: Path) -> None:
    with pytest.raises(BackendError, match="leave out `revision`"):
        fingerprint(folder, revision="main")


def test_a_folder_without_a_model_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"has no config\.json"):
        fingerprint(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float33"}, "not a torch dtype"),
        ({"device": "cuda:99"}, "CUDA devices"),
        ({"device": "x"}, "not a device"),
    ],
)
@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the stories260k model beside the repository")
def test_an_option_that_names_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(BackendError, match=message):
        HFBackend(str(STORIES), **options).model  # noqa: B018


def test_weights_that_cannot_be_read_are_an_error_that_names_the_model(folder: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(BackendError, match=f"{folder}: the (tokenizer|model|configuration) cannot be loaded"):
        HFBackend(str(folder), device="cpu").model  # noqa: B018


@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the stories260k model beside the repository")
def test_weights_that_are_incomplete_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from safetensors.torch import load_file, save_file

    partial = tmp_path / "partial"
    partial.mkdir()
    for file in STORIES.iterdir():
        shutil.copyfile(file, partial / file.name)
    weights = load_file(partial / "model.safetensors")
    weights.pop("model.norm.weight")
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackendError, match=r"lack 1 tensors of the model, model\.norm\.weight"):
        HFBackend(str(partial), device="cpu").model  # noqa: B018


@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the stories260k model beside the repository")
def test_a_description_needs_no_weights() -> None:
    pytest.importorskip("transformers")
    backend = HFBackend(str(STORIES))
    about = backend.describe()
    assert about["num_parameters"] == 260032
    assert (about["dtype"], about["max_length"], about["bos_token"]) == ("float32", 512, "<s>")
    assert "model" not in vars(backend)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
