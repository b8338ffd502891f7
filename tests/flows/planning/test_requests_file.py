"""Prepared requests come back whole, in order, and by ranges that do not depend on how the file is cut."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backends.requests import Attachment, Request
from flows.planning import requests_file
from tasks_lib.prompts.request_builder import DocRequests

# With lone surrogates, of which no two make one character.
ANY_TEXT = st.text(st.characters() | st.sampled_from("\ud800\udbff"), max_size=20)


def documents(sizes: list[int]) -> list[DocRequests]:
    """Documents with so many requests each."""
    return [
        DocRequests(i, {}, [Request("loglikelihood", f"q{i}", f" {n}") for n in range(size)])
        for i, size in enumerate(sizes)
    ]


def rows(path: Path, part: range | None = None) -> list[tuple[int, int, str, Request]]:
    return list(requests_file.read(path, part))


@pytest.fixture(scope="module")
def small_groups() -> Iterator[None]:
    """Three documents a row group, so that few documents fill many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests_file, "_DOCS_A_GROUP", 3)
        yield


def test_requests_come_back_with_document_index_and_digest(tmp_path: Path) -> None:
    generation: dict[str, Any] = {"until": ["\n"], "max_gen_toks": 5, "temperature": 0.0, "top_p": None}
    asked = [
        DocRequests(0, {}, [Request("loglikelihood", "q", " a"), Request("loglikelihood", "", " b")]),
        DocRequests(4, {}, [Request("generate_until", "g", generation=generation)]),
        DocRequests(5, {}, [Request("loglikelihood_rolling", "r")]),
    ]
    requests_file.write(tmp_path / "requests", asked, repeats=1)
    expected = [
        (one.doc_id, index, request.digest(), request)
        for one in asked
        for index, request in enumerate(one.requests)
    ]
    assert rows(tmp_path / "requests") == expected


def test_a_request_is_asked_as_often_as_the_task_repeats_it(tmp_path: Path) -> None:
    written = requests_file.write(tmp_path / "requests", documents([2, 1]), repeats=3)
    assert (written.docs, written.requests) == (2, 9)
    found = rows(tmp_path / "requests")
    assert [(doc_id, index, request.repeat) for doc_id, index, _, request in found] == [
        *((0, 0, repeat) for repeat in range(3)),
        *((0, 1, repeat) for repeat in range(3)),
        *((1, 0, repeat) for repeat in range(3)),
    ]
    assert all(digest == request.digest() for _, _, digest, request in found)
    assert len({digest for _, _, digest, _ in found}) == 9


def test_attachments_come_back_in_order_and_are_kept_once(tmp_path: Path) -> None:
    image, sound = (
        Attachment.of("image", "image/png", b"pixels"),
        Attachment.of("audio", "audio/wav", b"wave!"),
    )
    asked = [
        DocRequests(0, {}, [Request("generate_until", "q", attachments=(image, sound, image))]),
        DocRequests(1, {}, [Request("generate_until", "none")]),
        DocRequests(2, {}, [Request("loglikelihood", "r", " a", attachments=(sound,))] * 2),
    ]
    path = tmp_path / "requests"
    requests_file.write(path, asked, repeats=2)
    found = [request for _, _, _, request in rows(path)]
    assert [len(request.attachments) for request in found] == [3, 3, 0, 0, 1, 1, 1, 1]
    assert found[0] == asked[0].requests[0]
    assert [one.load() for one in found[1].attachments] == [b"pixels", b"wave!", b"pixels"]
    assert [one.load() for one in rows(path, range(5, 6))[0][3].attachments] == [b"wave!"]
    assert requests_file.files(path)["attachments"].read_bytes() == b"pixelswave!"
    assert all(digest == request.digest() for _, _, digest, request in rows(path))


def test_requests_without_attachments_have_one_file(tmp_path: Path) -> None:
    requests_file.write(tmp_path / "requests", documents([2]), repeats=1)
    assert requests_file.files(tmp_path / "requests") == {"requests": tmp_path / "requests"}
    assert [file.name for file in tmp_path.iterdir()] == ["requests"]


@given(sizes=st.lists(st.integers(0, 5), max_size=14), data=st.data())
def test_a_range_is_the_same_slice_of_all_rows_across_row_groups(
    tmp_path_factory: pytest.TempPathFactory, small_groups: None, sizes: list[int], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("requests") / "file"
    written = requests_file.write(path, documents(sizes), repeats=1)
    everything = rows(path)
    assert len(everything) == written.requests == sum(sizes)
    start = data.draw(st.integers(0, sum(sizes) + 2))
    stop = data.draw(st.integers(start, sum(sizes) + 4))
    part = range(start, stop)
    assert rows(path, part) == everything[start:stop]
    assert requests_file.digests(path, part) == [digest for _, _, digest, _ in everything[start:stop]]


def test_requests_are_counted_by_kind(tmp_path: Path) -> None:
    asked = [
        Request("generate_until", "a"),
        Request("loglikelihood", "a", "b"),
        Request("generate_until", "c"),
    ]
    path = tmp_path / "requests"
    written = requests_file.write(path, [DocRequests(0, {}, asked)], repeats=2)
    assert (written.requests, written.kinds) == (6, {"generate_until": 4, "loglikelihood": 2})
    assert requests_file.kinds(path, range(1, 3)) == ["generate_until", "loglikelihood"]
    assert requests_file.count(path) == 6


def test_the_digest_is_of_all_requests_in_order_however_the_file_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = documents([1, 2, 3, 1, 2])
    whole = requests_file.write(tmp_path / "requests", asked, repeats=1).digest
    assert requests_file.write(tmp_path / "requests", asked[::-1], repeats=1).digest != whole
    assert requests_file.write(tmp_path / "requests", asked[:4], repeats=1).digest != whole
    assert requests_file.write(tmp_path / "requests", asked, repeats=2).digest != whole
    monkeypatch.setattr(requests_file, "_DOCS_A_GROUP", 2)
    assert requests_file.write(tmp_path / "requests", asked, repeats=1).digest == whole


@given(prompt=ANY_TEXT, continuation=ANY_TEXT, stop=ANY_TEXT)
@example("a\ud800b", "\udc00", "\ud83d")
def test_any_text_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, prompt: str, continuation: str, stop: str
) -> None:
    path = tmp_path_factory.mktemp("requests") / "file"
    request = Request("generate_until", prompt, continuation, {"until": [stop]})
    requests_file.write(path, [DocRequests(0, {}, [request])], repeats=1)
    assert rows(path) == [(0, 0, request.digest(), request)]


def test_a_document_that_cannot_be_asked_leaves_no_file(tmp_path: Path) -> None:
    def failing() -> Iterator[DocRequests]:
        yield from documents([1, 1])
        raise LookupError("document 2")

    with pytest.raises(LookupError):
        requests_file.write(tmp_path / "requests", failing(), repeats=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", [0, 100, -1])
@pytest.mark.parametrize("part", [None, range(1)])
def test_a_truncated_file_is_an_error(tmp_path: Path, keep: int, part: range | None) -> None:
    path = tmp_path / "requests"
    requests_file.write(path, documents([2, 2]), repeats=1)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises((OSError, ValueError), match=r"[Pp]arquet"):
        rows(path, part)
