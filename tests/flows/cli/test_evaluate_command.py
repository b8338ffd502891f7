"""The command line: what is wrong with a request is said in a line or two, at once, and exit status 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.evaluate_command import main, read_arguments, read_spec
from flows.common.errors import SpecError
from flows.specs.evaluation import EvaluationSpec
from tests.support.paths import ROOT

HEAVY = {"prefect", "torch", "transformers", "datasets", "pandas", "sqlalchemy", "pyarrow", "jinja2"}

CaptureFixture = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("no_installed_catalog")


def refused(capsys: CaptureFixture, *flags: str) -> str:
    """What is said of a request that exits with status 2."""
    assert main(flags) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert len(said.err.strip().splitlines()) <= 2
    return said.err


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--modle", "x"], ["unknown argument '--modle'", "did you mean '--model'?"]),
        (["--task=arc_easy"], ["'--task", "'--tasks'"]),
        (["stray"], ["unknown argument 'stray'"]),
        (["--limit", "many"], ["--limit", "'many'"]),
        (["--limit", "0"], ["--limit", "greater than 0"]),
        (["--num-fewshot", "-1"], ["--num-fewshot"]),
        (["--batch-size", "0"], ["--batch-size"]),
        (["--gen-kwargs", "temperature"], ["--gen-kwargs", "key=value"]),
        (["--compat", "other"], ["--compat", "lm-eval"]),
        (["--tasks", ""], ["--tasks"]),
        (["--model", "gpt2"], ["write backend:name?key=value"]),
        (["--model", "hff:gpt2"], ["no backend 'hff'", "hf"]),
        (["--model", "scripted:hash?batchsize=2"], ["no option 'batchsize'", "batch_size"]),
        (["--model", "scripted:hash?delay=long"], ["delay=long"]),
        (["--model", "scripted:gone.json"], ["gone.json"]),
        (["--model", "scripted:hahs"], ["scripted:hahs: write hash, FILE.json"]),
        (["--model", "scripted:no.module:name"], ["there is no module no"]),
        (["--model", "hf:/no/such/folder"], ["/no/such/folder", "no such folder"]),
        (["--tasks", "starter_chioces"], ["'starter_chioces'", "starter_choices"]),
        (["--tasks", "nothing_at_all_*"], ["nothing_at_all_*"]),
        (["--data-root", "/no/such/folder"], ["--data-root", "/no/such/folder"]),
        (["--include-path", "/no/such/folder"], ["/no/such/folder"]),
        (["--apply-chat-template"], ["--apply-chat-template", "no chat template"]),
        (["--model", "custom:backend_of_a_test:TextOnly"], ["starter_choices needs loglikelihood"]),
        (["--config", "gone.yaml"], ["--config gone.yaml"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value[0].startswith("-") else "",
)
def test_a_wrong_request_is_refused_before_anything_is_asked(
    flags: list[str],
    named: list[str],
    capsys: CaptureFixture,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = "from backends.simple.scripted import *\nclass TextOnly(ScriptedBackend):\n"
    backend += "    def __init__(self): super().__init__('hash')\n"
    backend += "    capabilities = Capabilities(frozenset({'generate_until'}))\n"
    (tmp_path / "backend_of_a_test.py").write_text(backend)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    usual = ["--model=scripted:hash", "--tasks=starter_choices", f"--output={tmp_path}/results"]
    message = refused(capsys, *usual, *flags)
    for part in named:
        assert part in message
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("taks: [arc_easy]", ["unknown key 'taks'", "did you mean 'tasks'?"]),
        ("- arc_easy", ["must hold keys and values"]),
        ("tasks: [", ["config.yaml"]),
        ("limit: many", ["--limit", "'many'"]),
        ("model: {backend: hf}", ["--model"]),
    ],
)
def test_a_wrong_config_file_is_refused(
    content: str, named: list[str], capsys: CaptureFixture, tmp_path: Path, home: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(content)
    message = refused(capsys, "--config", str(file))
    for part in named:
        assert part in message


def test_a_flag_wins_over_the_config_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("tasks: [arc_easy]\nlimit: 5\nmodel: scripted:hash\n")
    spec = read_spec(read_arguments(["--config", str(file), "--limit=7"]))
    assert (spec.tasks, spec.limit, str(spec.model)) == (["arc_easy"], 7, "scripted:hash")


def test_every_key_of_a_run_has_a_flag_with_a_help_text(capsys: CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    for name, info in EvaluationSpec.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert info.description


def test_flags_are_read_as_what_they_mean() -> None:
    flags = ["--tasks=a,b", "--gen-kwargs=temperature=0.5,do_sample=true,until=x", "--batch-size=8"]
    spec = read_spec(read_arguments([*flags, "--data-root=/x:/y", "--trust-task-code"]))
    assert spec.tasks == ["a", "b"]
    assert spec.gen_kwargs == {"temperature": 0.5, "do_sample": True, "until": "x"}
    assert (spec.batch_size, spec.trust_task_code) == (8, True)
    assert spec.data_root == [Path("/x"), Path("/y")]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("tokenizer=org/name,max_seq_lengths=[4096,8192],n=3", {"max_seq_lengths": [4096, 8192], "n": 3}),
        ('{"max_seq_lengths": [4096], "tokenizer": "org/name"}', {"max_seq_lengths": [4096]}),
        ("tokenizer=org/name,a=[1,b=[2", {"a": "[1,b=[2"}),
        ('tokenizer=org/name,stop=["\\n", "a,b"]', {"stop": ["\n", "a,b"]}),
    ],
)
def test_metadata_are_json_or_pairs(text: str, read: dict[str, object]) -> None:
    spec = read_spec(read_arguments([f"--metadata={text}"]))
    assert spec.metadata == {"tokenizer": "org/name", **read}


def test_an_abbreviated_flag_is_not_guessed() -> None:
    with pytest.raises(SpecError, match="--trust"):
        read_arguments(["--trust"])


def test_tasks_are_listed_by_pattern(capsys: CaptureFixture, home: Path) -> None:
    assert main(["--list-tasks", "starter_*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"task  starter_{name}" for name in ("choices", "math", "text")]
    assert "no_such_*" in refused(capsys, "--list-tasks", "no_such_*")


@pytest.mark.parametrize("how", ["flows/evaluate.py --help", "-c import\tflows.evaluate"])
def test_help_and_import_load_nothing_heavy(how: str) -> None:
    """What makes `--help` answer within a second."""
    arguments = [part.replace("\t", " ") for part in how.split(" ")]
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert "flows" in imported, "the report of imports was read"
    assert imported & HEAVY == set()


@pytest.mark.parametrize("flag", ["--model", "--tasks", "--output", "--system-instruction", "--metadata"])
def test_bytes_that_are_not_utf_8_are_refused_in_a_line(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = os.fsdecode(b"scripted:\xff")
    model = [] if flag == "--model" else ["--model", "scripted:hash"]
    assert main([*model, flag, text]) == 2
    assert capsys.readouterr().err == f"error: {flag}: has characters that are not UTF-8\n"


@pytest.mark.parametrize(
    "flag", ["--output", "--store", "--data-root", "--include-path", "--answers-from", "--config"]
)
def test_a_name_that_no_file_can_have_is_refused_in_a_line(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    arguments = [
        "--model",
        "scripted:hash",
        "--tasks",
        "starter_choices",
        "--limit",
        "1",
        "--output",
        str(tmp_path),
    ]
    assert main([*arguments, flag, f"{tmp_path}/{'x' * 5000}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
