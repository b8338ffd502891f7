"""Tasks with images, from their files to the samples, with a scripted model that looks at them."""

import io
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.requests import Request, Response
from flows.common.errors import SpecError
from flows.evaluate import evaluate
from flows.specs.evaluation import EvaluationSpec

Image = pytest.importorskip("PIL.Image")

from tests.support.pictures import encoded, picture, write_parquet  # noqa: E402 - needs Pillow

pytestmark = pytest.mark.usefixtures("prefect_server", "home")

COLOURS = ("red", "blue", "lime", "red")
SEEN: list[Request] = []


def looking(request: Request) -> Response:
    """A model that says which colour an image has."""
    SEEN.append(request)
    (attachment,) = request.attachments
    image = Image.open(io.BytesIO(attachment.load()))
    names = {(255, 0, 0): "red", (0, 0, 255): "blue", (0, 255, 0): "lime"}
    return Response(text=names[image.getpixel((1, 1))])


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs a task that asks for the colours of four images; two of them are the same."""
    SEEN.clear()
    (tmp_path / "colours.yaml").write_text(
        yaml.safe_dump(
            {
                "task": "colours",
                "dataset_path": "colours",
                "test_split": "test",
                "doc_to_text": "<image>What colour?",
                "doc_to_target": "colour",
                "doc_to_image": ["image"],
                "repeats": 2,
                "generation_kwargs": {"until": ["."], "do_sample": True, "temperature": 1.0},
            }
        )
    )
    paint(tmp_path, COLOURS)

    def evaluated(**keys: object) -> Any:
        given = {
            "model": "scripted:tests.flows.pipeline.test_media:looking",
            "tasks": "colours",
            "include_path": str(tmp_path),
            "data_root": str(tmp_path / "data"),
            "output": str(tmp_path / "results"),
        }
        return evaluate(EvaluationSpec.model_validate({**given, **keys}))

    return evaluated


def paint(folder: Path, colours: tuple[str, ...], form: str = "PNG") -> None:
    rows = [{"colour": name, "image": {"bytes": encoded(picture(name), form)}} for name in colours]
    write_parquet(folder / "data/colours/default/test.parquet", rows, "image")


def test_a_model_sees_the_image_of_each_document(run: Any) -> None:
    result = run()
    assert result.failures == {}
    assert result.results["results"]["colours"]["exact_match,none"] == 1.0
    assert len(SEEN) == 8  # four images, two repeats of each: equal documents draw for themselves


def test_the_same_image_is_kept_once(run: Any, home: Path) -> None:
    run()
    (file,) = (home / "steps" / "prepared").glob("*.attachments")
    shown = {one.digest: one.load() for request in SEEN for one in request.attachments}
    assert file.stat().st_size == sum(len(content) for content in shown.values())


def test_only_an_image_with_other_pixels_is_asked_about_again(run: Any, tmp_path: Path) -> None:
    run()
    SEEN.clear()
    paint(tmp_path, COLOURS, "BMP")
    assert run().results["results"]["colours"]["exact_match,none"] == 1.0
    assert SEEN == []
    paint(tmp_path, ("red", "blue", "blue", "red"))
    run()
    assert len(SEEN) == 2  # all images were asked about; the second blue one draws for itself, twice
    SEEN.clear()
    rows = [{"colour": "red", "image": {"bytes": encoded(picture("red", (5, 5)))}}]
    write_parquet(tmp_path / "data/colours/default/test.parquet", rows, "image")
    run()
    assert len(SEEN) == 2


def test_images_that_are_gone_are_prepared_anew(run: Any, home: Path) -> None:
    run(limit=2)
    (file,) = (home / "steps" / "prepared").glob("*.attachments")
    file.unlink()
    run(limit=2)
    assert file.exists()


def test_samples_show_hashes_of_images(run: Any) -> None:
    rows = run().samples("colours").to_dict("records")
    digests = [request.attachments[0].digest for request in SEEN]
    for row in rows:
        (arguments,) = row["arguments"]
        (digest,) = arguments[2]["visual"]
        assert digest in digests
        assert len(row["doc"]["image"]) == 64
    assert rows[0]["doc_hash"] == rows[3]["doc_hash"] != rows[1]["doc_hash"]


def test_a_model_that_takes_no_images_is_refused_before_anything_is_loaded(
    run: Any, tmp_path: Path, stories260k: Path
) -> None:
    with pytest.raises(SpecError, match=r"^colours shows images, which hf:.* does not take") as raised:
        run(model=f"hf:{stories260k}")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "results").exists()
