"""Attacks of the folders of runs that strangers made."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from tests.drill.attack import Attack, Try
from tests.drill.strangers import SECTION
from tests.support.damage import Damage
from tests.support.lab import Finished, Lab
from tests.support.paths import ROOT

DAMAGED = 12
TRACE = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
def asked(doc):
    return doc["question"]
"""


def rights(lab: Lab) -> Iterator[Try]:
    """A request that trusts its own Python, names stores and sinks, and asks to be scored again."""
    folder = _finished(lab)
    theirs = lab.home.parent / "theirs"
    theirs.mkdir()
    (theirs / "code.py").write_text(TRACE)
    task = yaml.safe_load((lab.tasks / "sums.yaml").read_text())
    text = yaml.safe_dump({**task, "doc_to_text": "ASKED"}).replace("ASKED", "!function code.asked")
    (theirs / "sums.yaml").write_text(text)
    written = lab.home.parent / "written"
    wanted: Mapping[str, Mapping[str, object]] = {
        "code": {"trust_task_code": True, "include_path": [str(theirs)]},
        "programs": {"allow_unsafe_code": True, "sandbox": "none", "include_path": [str(theirs)]},
        "a store": {"store": str(written)},
        "a sink": {"sinks": [f"tensorboard:{written}"]},
        "a model's code": {"model": "hf:anyone/model?trust_remote_code=true"},
    }
    for name, keys in wanted.items():
        copy = lab.home.parent / f"copy of {name}"
        shutil.copytree(folder, copy)
        spec = yaml.safe_load((copy / "spec.yaml").read_text())
        (copy / "spec.yaml").write_text(yaml.safe_dump({**spec, **keys}))
        ended = _command("rescore", lab.home.parent / "mine", copy)
        is_left = (theirs / "ran").exists() or written.exists()
        yield Try(name, "Traceback" not in ended.errors and not is_left, ended.errors)


def damage(lab: Lab) -> Iterator[Try]:
    """Folders that were cut, mixed, emptied: a line, whoever reads them."""
    folder = _finished(lab)
    for seed in range(DAMAGED):
        copy = lab.home.parent / f"damaged-{seed}"
        shutil.copytree(folder, copy)
        done = Damage(seed).to(copy)
        for name, others in {"compare": [folder], "rescore": []}.items():
            ended = _command(name, lab.home, copy, *others)
            held = "Traceback" not in ended.errors and ended.status in (0, 2)
            yield Try(f"{name}, {done}", held, ended.errors)


def _finished(lab: Lab) -> Path:
    """The folder of a run."""
    lab.add_texts("sums", 3)
    ended = lab.run(tasks="sums")
    assert ended.status == 0, ended.errors
    (folder,) = lab.results.glob("*/*")
    return folder


def _command(name: str, home: Path, *folders: Path) -> Finished:
    command = [sys.executable, str(ROOT / "flows" / f"{name}.py"), *map(str, folders)]
    environment = {**os.environ, "ASSAY_HOME": str(home)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    return Finished(ended.returncode, ended.stdout, ended.stderr)


ATTACKS = (
    Attack(SECTION, "folders of runs that want rights", rights),
    Attack(SECTION, "folders of runs that are damaged", damage),
)
