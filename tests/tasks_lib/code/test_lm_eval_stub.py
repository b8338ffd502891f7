"""Task code that imports from `lm_eval`, where lm-eval is not installed: as where it is."""

import importlib.util
import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

# Everything that lm-eval's own task files import from it at their top level, in use.
CODE = """
from lm_eval import utils
from lm_eval.api.filter import Filter
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean, metric_max_over_ground_truths
from lm_eval.api.registry import get_filter, register_filter
from lm_eval.api.samplers import ContextSampler, FirstNSampler
from lm_eval.api.task import ConfigurableTask
from lm_eval.filters.extraction import Filter as SameFilter, RegexFilter
from lm_eval.utils import general_detokenize, handle_non_serializable, make_table, weighted_f1_score

SAID = [["#### 3", "x #### 1,000 #### 7"], ["none", ""], ["#### 12."]]

@register_filter("made_by_a_test")
class Last(RegexFilter):
    def __init__(self, regex_pattern=r"(\\\\d+)|(x)", **kwargs):
        super().__init__(regex_pattern, group_select=-1, **kwargs)

class Plain(Filter):
    def apply(self, resps, docs):
        return [own[:1] for own in resps]

def drawn(cls, **how):
    sampler = cls([{"n": n} for n in range(9)], **how).set_rnd(5)
    return [sampler.sample(3), sampler.sample(3, eval_doc={"n": 2}), sampler.sample(0), sampler.sample(2)]

def everything():
    import numpy as np
    instance = Instance("loglikelihood", {}, ("a", "b"), 0, metadata=("t", 3, 2))
    return {
        "filters": [
            cls().apply(SAID, []) for cls in (RegexFilter, Last, get_filter("made_by_a_test"), Plain)
        ],
        "fallback": Last(fallback="?").apply(SAID, []),
        "drawn": drawn(ContextSampler),
        "chosen": drawn(ContextSampler, fewshot_indices=[1, 2, 5, 7]),
        "first": drawn(FirstNSampler),
        "instance": [instance.args, instance.task_name, instance.doc_id, instance.repeats, instance.resps],
        "mean": mean([1, 2, 4]),
        "best": metric_max_over_ground_truths(lambda said, true: -abs(said - true), 3, [1, 4, 9]),
        "text": general_detokenize('it is n\\'t ( so ) , " he said " . \\' Yes \\' .'),
        "f1": weighted_f1_score([(0, 0), (0, 1), (1, 1), (2, 0)]),
        "values": [
            handle_non_serializable(one) for one in (np.int64(3), np.float32(0.5), np.bool_(1), {4}, 1j)
        ],
        "classes": [issubclass(Last, SameFilter), ConfigurableTask.__name__, callable(make_table)],
        "beside": beside(),
    }

def beside():
    from lm_eval.tasks.words.known import WORDS
    return WORDS
"""

SCRIPT = """
import json, sys
from pathlib import Path
from tasks_lib.files.config import FunctionRef
from tasks_lib.errors import TaskError
from tasks_lib.code.trusted_functions import TrustedRoots, installed_catalog, resolve

folder = Path(sys.argv[1])
before = installed_catalog()
try:
    said = resolve(FunctionRef(folder, sys.argv[2]), TrustedRoots((folder,)))()
except TaskError as error:
    said = str(error)
print(json.dumps({"said": said, "catalog": [str(before), str(installed_catalog())]}))
"""


@pytest.fixture(scope="module")
def without_lm_eval(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All installed packages but lm-eval."""
    folder = tmp_path_factory.mktemp("packages")
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith(("lm_eval", "assay")) and package.suffix != ".pth":
            (folder / package.name).symlink_to(package)
    return folder


def ran(packages: Path, folder: Path, function: str) -> dict[str, Any]:
    """What a function of `<folder>/code.py` gives in a process with those packages."""
    paths = f"import sys; sys.path[:0] = {[str(ROOT), str(packages)]!r}"
    command = [sys.executable, "-S", "-c", f"{paths}\n{SCRIPT}", str(folder), function]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text(CODE)
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "known.py").write_text("WORDS = ['found']")
    return tmp_path


def test_task_code_does_without_lm_eval_what_it_does_with_it(without_lm_eval: Path, folder: Path) -> None:
    found = ran(without_lm_eval, folder, "code.everything")
    assert found["catalog"] == ["None", "None"]  # never taken for lm-eval itself
    assert found["said"]["beside"] == ["found"]
    if importlib.util.find_spec("lm_eval") is None:
        return
    (folder / "code.py").write_text(
        CODE.replace("from lm_eval.tasks.words.known import WORDS", "WORDS = ['found']")
    )
    real = ran(Path(sysconfig.get_path("purelib")), folder, "code.everything")
    assert real["catalog"][0].endswith("lm_eval/tasks")
    assert found["said"] == real["said"]


@pytest.mark.parametrize(
    "line",
    ["from lm_eval.api.model import LM", "from lm_eval.utils import Collator", "import lm_eval.evaluator"],
)
def test_what_is_not_there_without_lm_eval_is_said(line: str, without_lm_eval: Path, folder: Path) -> None:
    (folder / "code.py").write_text(f"{line}\ndef function(): ...")
    said = ran(without_lm_eval, folder, "code.function")["said"]
    assert "code.py needs more of lm-eval than there is without it: pip install" in said
