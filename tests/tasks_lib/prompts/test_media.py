"""The images and sounds of documents reach the requests: which ones, in which order, without loss."""

import io
import json
import struct
import wave
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.requests import Attachment
from tasks_lib.ask_options import AskOptions
from tasks_lib.code.trusted_functions import TrustedRoots
from tasks_lib.data.media_documents import MediaDoc
from tasks_lib.errors import TaskError
from tasks_lib.files.config import TaskConfig
from tasks_lib.prompts.attachments import attachments, wav
from tasks_lib.task import ConfiguredTask, Task
from tests.support.task_maker import TaskMaker, requests

Image = pytest.importorskip("PIL.Image")

from tests.support.pictures import encoded, picture, pixels, write_parquet  # noqa: E402 - needs Pillow

RED, BLUE = picture("red"), picture("blue")


def shown(task: Task) -> list[list[Any]]:
    """The images of each document's first request."""
    return [[pixels(opened(one)) for one in own[0].attachments] for own in requests(task)]


def some(*images: Any) -> list[Any]:
    return [pixels(image) for image in images]


def opened(attachment: Attachment) -> Any:
    return Image.open(io.BytesIO(attachment.load()))


def of(kind: Any, value: Any) -> list[Attachment]:
    return list(attachments(kind, value))


def hashed(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document with digests in place of its files."""
    assert isinstance(doc, MediaDoc)
    return doc.hashed()


@pytest.fixture
def made(maker: TaskMaker) -> TaskMaker:
    """Two documents: one with both images, one with the second alone."""
    rows: list[dict[str, Any]] = [
        {
            "question": "q0",
            "answer": "a",
            "first": {"bytes": encoded(RED)},
            "second": {"bytes": encoded(BLUE)},
        },
        {"question": "q1", "answer": "a", "first": None, "second": {"bytes": encoded(RED, "BMP")}},
    ]
    write_parquet(maker.folder / "data/made/default/test.parquet", rows, "first", "second")
    return maker


# Which images


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("second", [[BLUE], [RED]]),
        ("first", [[RED], []]),
        (["first", "second"], [[RED, BLUE], [RED]]),
        (["second", "first", "second"], [[BLUE, RED, BLUE], [RED, RED]]),
    ],
)
def test_fields_name_the_images_and_those_that_are_not_there_are_left_out(
    made: TaskMaker, value: Any, expected: list[list[Any]]
) -> None:
    assert shown(made.task(doc_to_image=value)) == [some(*images) for images in expected]


def test_a_function_gets_images_as_pillow_has_them(made: TaskMaker) -> None:
    code = "def mirrored(doc):\n    return [doc['second'].transpose(0), [doc['second']]]"
    mirrored = BLUE.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert shown(made.task(doc_to_image=made.function(code)))[0] == some(mirrored, BLUE)


def test_a_template_writes_a_list_of_paths(made: TaskMaker) -> None:
    picture("green").save(made.folder / "a.png")
    value = f"['{made.folder}/a.png', '{made.folder}/{{{{ 'a' }}}}.png']"
    assert shown(made.task(doc_to_image=value))[0] == some(picture("green")) * 2


@pytest.mark.parametrize("key", ["doc_to_image", "doc_to_audio"])
@pytest.mark.parametrize("value", ["field", "template"])
def test_a_task_file_that_is_not_trusted_shows_no_file_from_elsewhere(
    made: TaskMaker, tmp_path_factory: pytest.TempPathFactory, key: str, value: str
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "private"
    picture("green").save(elsewhere, format="PNG")
    made.data([{"question": "q0", "answer": "a", "file": str(elsewhere)}], split="validation")
    keys = {
        "task": "made",
        "dataset_path": "made",
        "validation_split": "validation",
        "doc_to_text": "q",
        "doc_to_target": "answer",
        key: "file" if value == "field" else f"['{elsewhere}']",
    }
    config = TaskConfig.model_validate(keys)
    context = replace(made.context(), trusted=TrustedRoots(()))
    with pytest.raises(TaskError, match=r"private is neither of the hub nor below .*--trust-task-code"):
        requests(ConfiguredTask(context.scope(config, made.file), None))


def test_processed_documents_keep_their_images(made: TaskMaker) -> None:
    code = "def kept(dataset):\n    return dataset.map(lambda doc: {'question': 'new'}).select([1])"
    task = made.task(doc_to_image="second", process_docs=made.function(code))
    assert shown(task) == [some(RED)]
    assert requests(task)[0][0].prompt == "new"


def test_all_requests_of_a_document_have_its_images(made: TaskMaker) -> None:
    keys: dict[str, Any] = {
        "output_type": "multiple_choice",
        "doc_to_choice": ["a", "b"],
        "doc_to_image": "second",
    }
    task = made.task(**keys, metric_list=[{"metric": "acc_mutual_info"}])
    first, *others = requests(task)[0]
    assert len(others) == 3
    assert first.attachments
    assert all(one.attachments == first.attachments for one in others)


def test_examples_bring_their_images_before_the_documents_own_but_not_to_lm_eval(made: TaskMaker) -> None:
    rows = [{"question": "e", "answer": "x", "first": {"bytes": encoded(picture("lime"))}, "second": None}]
    write_parquet(made.folder / "data/made/default/train.parquet", rows, "first", "second")
    keys: dict[str, Any] = {"training_split": "train", "num_fewshot": 1, "doc_to_image": ["first", "second"]}
    assert shown(made.task(**keys))[0] == some(picture("lime"), RED, BLUE)
    assert shown(made.task(AskOptions(compat=True), **keys))[0] == some(RED, BLUE)


def test_a_task_that_shows_none_has_requests_without(made: TaskMaker) -> None:
    assert shown(made.task()) == [[], []]


# Which form


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_an_image_keeps_every_pixel(mode: str) -> None:
    image = picture(mode=mode) if mode != "I;16" else Image.frombytes("I;16", (2, 1), b"\x01\x02\xff\xfe")
    (attachment,) = of("image", image)
    assert attachment.media_type == "image/png"
    assert opened(attachment).mode == mode
    assert opened(attachment).tobytes() == image.tobytes()


def test_an_image_that_png_cannot_hold_becomes_rgb() -> None:
    (attachment,) = of("image", RED.convert("CMYK"))
    assert opened(attachment).mode == "RGB"


def test_the_identity_of_an_image_is_its_pixels_and_not_its_file(tmp_path: Path) -> None:
    RED.save(tmp_path / "red.bmp")
    forms: list[Any] = [
        RED,
        encoded(RED),
        encoded(RED, "TIFF"),
        {"bytes": encoded(RED, compress_level=0), "path": None},
        tmp_path / "red.bmp",
        {"bytes": None, "path": str(tmp_path / "red.bmp")},
    ]
    digests = {of("image", form)[0].digest for form in forms}
    other = RED.copy()
    other.putpixel((2, 1), (254, 0, 0))
    assert len(digests) == 1
    assert of("image", other)[0].digest not in digests


def test_a_photograph_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned clockwise
    (attachment,) = of("image", encoded(RED, exif=exif))
    assert opened(attachment).size == (2, 3)


def test_samples_of_16_bits_become_a_plain_wav_file() -> None:
    stereo = np.array([[0, -(2**15), 7], [2**15 - 1, 5, -7]], dtype=np.int16)
    (attachment,) = of("audio", {"array": stereo, "sampling_rate": 8000, "path": None})
    with wave.open(io.BytesIO(attachment.load())) as file:
        assert file.getparams()[:4] == (2, 2, 8000, 3)
        assert file.readframes(3) == stereo.T.astype("<i2").tobytes()
    assert attachment.media_type == "audio/wav"


@pytest.mark.parametrize(("samples", "width"), [([0.5, -0.25, 1.5], 4), ([0.1, 1e-9, 3.0], 8)])
def test_floating_point_samples_are_kept_to_the_last_bit(samples: list[float], width: int) -> None:
    (attachment,) = of("audio", [{"array": samples, "sampling_rate": 16000}])
    content = attachment.load()
    tag, channels, rate, second, frame, bits = struct.unpack("<HHIIHH", content[20:36])
    assert (tag, channels, rate, second, frame, bits) == (3, 1, 16000, 16000 * width, width, 8 * width)
    assert np.frombuffer(content[44:], dtype=f"<f{width}").tolist() == samples
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8


def test_a_sound_file_stays_as_it_is(tmp_path: Path) -> None:
    content = wav(np.array([1, 2, 3], dtype=np.int16), 8000)
    file = tmp_path / "a.wav"
    file.write_bytes(content)
    for form in (content, file, {"bytes": content, "path": "x"}, {"bytes": None, "path": str(file)}):
        assert [one.load() for one in of("audio", form)] == [content]
    assert of("audio", b"fLaC...")[0].media_type == "audio/flac"


def test_sounds_are_read_from_a_field(maker: TaskMaker) -> None:
    sound = {"array": [0.0, 0.5], "sampling_rate": 8000}
    maker.data([{"question": "q", "answer": "a", "sound": sound}])
    (((request,)),) = requests(maker.task(doc_to_audio=["sound"]))
    assert [(one.kind, one.media_type) for one in request.attachments] == [("audio", "audio/wav")]


def test_a_field_may_hold_several_images_beside_fields_of_mixed_json(maker: TaskMaker) -> None:
    import datasets

    images = [{"bytes": encoded(image)} for image in (BLUE, RED)]
    rows = [{"question": "q", "answer": "a", "mixed": mixed, "all": images} for mixed in ({"a": 1}, {"b": 2})]
    dataset = datasets.Dataset.from_list(rows).cast_column("all", datasets.List(datasets.Image()))
    file = maker.folder / "data/made/default/test.parquet"
    file.parent.mkdir(parents=True)
    dataset.to_parquet(str(file))
    task = maker.task(doc_to_image="all")
    assert shown(task) == [some(BLUE, RED)] * 2
    docs = task.documents.evaluated.docs
    assert [doc["mixed"] for doc in docs] == [
        row["mixed"] for row in datasets.Dataset.from_parquet(str(file))
    ]
    assert [len(digest) for digest in hashed(docs[0])["all"]] == [64, 64]


# What is wrong


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("doc_to_image", "question", "No such file"),
        ("doc_to_image", "{{question}}", "not written as a list"),
        ("doc_to_image", "[1]", "gives 1, not an image"),
        ("doc_to_image", "[None]", "gives None, not an image"),
        ("doc_to_image", [3], "is 3"),
        ("doc_to_audio", "{'array': [1]}", "not a sound"),
        ("doc_to_audio", "'gone.wav'", "gone.wav"),
        ("doc_to_audio", "[b'text']", "begins with b'text'"),
    ],
)
def test_what_is_no_image_or_sound_is_an_error_that_names_the_key(
    made: TaskMaker, key: str, value: Any, named: str
) -> None:
    keys: dict[str, Any] = {key: value}
    with pytest.raises(TaskError, match=f"made: {key}") as raised:
        requests(made.task(**keys))
    assert named in str(raised.value)


# Documents


def test_documents_are_decoded_as_datasets_decodes_them(made: TaskMaker) -> None:
    import datasets

    theirs = datasets.Dataset.from_parquet(str(made.folder / "data/made/default/test.parquet"))
    task = made.task()
    assert [dict(doc) for doc in task.documents.evaluated.docs] == list(theirs)
    assert pixels(task.documents.evaluated.docs[0]["first"]) == pixels(RED)
    assert [{**doc} for doc in task.documents.evaluated.docs] == list(theirs)
    assert [list(doc.values()) for doc in task.documents.evaluated.docs] == [
        list(doc.values()) for doc in theirs
    ]


def test_a_document_stays_as_small_as_its_files(made: TaskMaker) -> None:
    (doc, _) = made.task().documents.evaluated.docs
    assert isinstance(doc, MediaDoc)
    assert doc["first"] is not doc["first"]
    assert pixels(doc.get("first")) == pixels(RED)
    assert doc.get("gone", 1) == 1


def test_a_document_can_be_shown_without_its_files(made: TaskMaker) -> None:
    (doc, other) = made.task().documents.evaluated.docs
    assert json.dumps(hashed(doc))
    assert hashed(doc)["question"] == "q0"
    assert len(hashed(doc)["first"]) == 64
    assert hashed(doc)["first"] != hashed(doc)["second"]
    assert hashed(other)["first"] is None
