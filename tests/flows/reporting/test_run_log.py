"""What a run that nobody watches leaves in its log."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.reporting import run_log
from flows.reporting.logged_lines import logging_to
from flows.reporting.progress_bar import reporting
from flows.reporting.reporter import reporter
from flows.results.results_json import TaskUsage
from flows.results.task_scores import TaskScores
from tasks_lib.scoring.scorer import MetricScore

LOG = logging.getLogger("of a test")


@contextmanager
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO), logging_to(lambda: LOG):
        yield


def scored(folder: Path, *names: str) -> dict[str, Path]:
    file = folder / "scores.json"
    found = TaskScores(
        scores=[MetricScore(metric, "none", 0.5, 0.125, 1200) for metric in ("acc", "acc_norm")],
        higher_is_better={},
        version=1,
        original=1200,
        effective=1200,
        num_fewshot=0,
        usage=TaskUsage(requests=1200),
    )
    file.write_text(json.dumps(found.model_dump()))
    return dict.fromkeys(names, file)


def test_a_task_is_a_line_with_its_first_metric_and_a_bundle_is_one_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with logged(caplog):
        run_log.note_scores(reporter(), scored(tmp_path, "a"))
        run_log.note_scores(reporter(), scored(tmp_path, *(f"task{i}" for i in range(170))))
    first, second = caplog.messages
    assert first == "scored a: acc 0.5000 ± 0.1250, 1,200 documents"
    assert second == "scored 170 tasks: task0, task1, task2, task3, task4 and 165 more"


def test_what_backends_warn_of_is_in_the_log_with_its_level(caplog: pytest.LogCaptureFixture) -> None:
    with logged(caplog):
        logging.getLogger("assay").warning("the endpoint is %s", "away")
    assert [(one.name, one.levelno, one.getMessage()) for one in caplog.records] == [
        ("of a test", logging.WARNING, "the endpoint is away")
    ]


def test_where_somebody_watches_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with reporting(show=False) as watching, logged(caplog):
        assert reporter() is watching
        reporter().note("scored")
    assert caplog.messages == []


def test_a_state_names_the_failed_tasks_and_the_first_reason() -> None:
    said = run_log.failure({f"task{i}": f"task{i}: {'why ' * 200}" for i in range(9)})
    assert said.startswith("failed tasks: task0, task1, task2, task3, task4 and 4 more. task0: why why")
    assert len(said) < 450
