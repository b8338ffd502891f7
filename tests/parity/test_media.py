"""Tasks with images and sounds: the same prompts, with the same images to the last pixel."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PIL.Image")

from tests.parity.oracle import Case, run_recorded
from tests.support.pictures import encoded, picture, write_parquet

pytestmark = [pytest.mark.parity, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

COLOURS = ("red", "blue", "lime", "gray", "black")
# lm-eval's contains the address of the image in memory.
HASH_OF_AN_ADDRESS = ", doc_hash: "
# Where a text names no choice, the task's Python draws one.
DRAWN = r"^mmmu.*, acc: |^/results/mmmu.*/acc"


def image(number: int) -> dict[str, Any]:
    mode, form = [("RGB", "PNG"), ("L", "PNG"), ("RGB", "JPEG"), ("P", "PNG"), ("RGBA", "PNG")][number % 5]
    return {"bytes": encoded(picture(COLOURS[number % 5], (4 + number, 3), mode), form)}


def mmmu(number: int) -> dict[str, Any]:
    """Documents with one image, or two of which one comes twice; some with choices."""
    marks = ["<image 1>", "<image 2> and <image 1> and <image 2>"][number % 2]
    return {
        "question": f"What is in {marks}?",
        "options": "['red', '<image 1>']" if number % 3 == 0 else "[]",
        "question_type": "multiple-choice" if number % 3 == 0 else "open",
        "answer": "A" if number % 3 == 0 else "red",
        **{f"image_{place}": image(number + place) if place <= 2 else None for place in range(1, 8)},
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    rows = [mmmu(number) for number in range(6)]
    images = [f"image_{place}" for place in range(1, 8)]
    write_parquet(folder / "MMMU/MMMU/Accounting/validation.parquet", rows, *images)
    charts = [{"query": f"How many {n}?", "label": [str(n)], "image": image(n)} for n in range(5)]
    write_parquet(folder / "HuggingFaceM4/ChartQA/default/test.parquet", charts, "image")
    sounds = [
        {"transcript": f"said {n}", "audio": {"array": [n / 8, 0.5], "sampling_rate": 8000}} for n in range(3)
    ]
    for split in ("train", "test"):
        write_parquet(folder / f"fixie-ai/endpointing-audio/common_voice_17_0-en/{split}.parquet", sounds)
    return folder


@pytest.mark.parametrize("tasks", ["mmmu_val_accounting", "chartqa chartqa_llama_90"])
def test_images_are_shown_as_lm_eval_shows_them(tasks: str, root: Path, tmp_path: Path) -> None:
    both = run_recorded(Case(tasks.split(), (root,)), tmp_path)
    samples = [sample for own in both.theirs["samples"].values() for sample in own]
    assert all(len(sample["arguments"][0][2]["visual"][0]) == 64 for sample in samples)
    assert both.differences(HASH_OF_AN_ADDRESS, DRAWN) == []


def test_examples_are_shown_without_their_images_only_as_lm_eval(root: Path, tmp_path: Path) -> None:
    options = {"num_fewshot": 1, "limit": 3, "compat": "lm-eval"}
    both = run_recorded(Case(("chartqa",), (root,), options=options), tmp_path / "compat")
    assert both.differences(HASH_OF_AN_ADDRESS) == []


def test_sounds_are_in_as_many_requests_as_lm_evals(root: Path, tmp_path: Path) -> None:
    both = run_recorded(Case(("common_voice_en",), (root,)), tmp_path)
    # lm-eval shows samples of sound where Assay shows a hash of them
    assert both.differences("arguments.*/audio", "_stderr,none") == []
    assert len(both.ours.samples("common_voice_en")) == 3
