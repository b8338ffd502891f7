import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import BackendError
from backends.identity import fingerprint_key, request_key
from backends.requests import Request, Response
from backends.store.payload import Codec
from backends.store.responses import ResponseStore
from tests.support.paths import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "responses.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[ResponseStore]:
    with ResponseStore.open(path) as opened:
        yield opened


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    """A process that runs the script beside us, with the project on its path."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def key(number: int) -> str:
    return f"{number:032x}"


def test_a_stored_response_is_found_again_by_another_opening(path: Path) -> None:
    response = Response(logprob=-0.1 - 0.2, is_greedy=False, tokens_in=12, tokens_out=1, seconds=0.25)
    with ResponseStore.open(path) as store:
        store.put_many([(key(1), response)], model="m")
    with ResponseStore.open(path) as store:
        assert store.get_many([key(1), key(2)]) == {key(1): response}
        assert store.has_many([key(1), key(2)]) == {key(1)}
        assert store.count() == 1


def test_a_thousand_keys_are_found_in_one_call(store: ResponseStore) -> None:
    items = [(key(number), Response(text=f"answer {number}")) for number in range(1100)]
    store.put_many(items, model="m")
    assert store.get_many([name for name, _ in items]) == dict(items)
    assert len(store.has_many([key(number) for number in range(2000)])) == 1100


def test_nothing_asked_is_nothing_found_and_nothing_written(store: ResponseStore) -> None:
    store.put_many([], model="m")
    assert store.get_many([]) == {}
    assert store.has_many([]) == set()
    assert store.count() == 0


def test_the_first_response_of_a_key_wins(store: ResponseStore) -> None:
    store.put_many([(key(1), Response(text="first")), (key(1), Response(text="second"))], model="m")
    store.put_many([(key(1), Response(text="third")), (key(2), Response(text="new"))], model="m")
    assert store.get_many([key(1), key(2)]) == {key(1): Response(text="first"), key(2): Response(text="new")}


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_response_that_may_still_come_is_not_stored(store: ResponseStore, status: str) -> None:
    items = [(key(1), Response(text="good")), (key(2), Response(status=status, error="timeout"))]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"{key(2)} is {status}"):
        store.put_many(items, model="m")
    assert store.count() == 0


@pytest.mark.parametrize("status", ["answer", "truncated", "refused"])
def test_a_final_response_keeps_its_status(store: ResponseStore, status: str) -> None:
    response = Response(status=status, text="no", error="by the model" if status == "refused" else None)  # type: ignore[arg-type]
    store.put_many([(key(1), response)], model="m")
    assert store.get_many([key(1)])[key(1)] == response


any_text = st.text(st.characters(exclude_categories=()), max_size=300)  # with lone surrogates
responses = st.builds(
    Response,
    status=st.sampled_from(["answer", "truncated", "refused"]),
    logprob=st.none() | st.floats(allow_nan=False),
    is_greedy=st.none() | st.booleans(),
    text=st.none() | any_text | any_text.map(lambda text: text * 20),
    tokens_in=st.integers(0, 10**6),
    seconds=st.floats(0, 1e4),
    error=st.none() | any_text,
)


@given(responses)
def test_any_response_reads_back_bit_for_bit(response: Response) -> None:
    codec = Codec()
    again = codec.decode(codec.encode(response))
    assert again == response
    assert repr(again) == repr(response)  # tells -0.0 from 0.0, True from 1


def test_what_was_cut_of_a_prompt_is_kept_beside_a_response_that_older_versions_read(path: Path) -> None:
    cut, whole = Response(text="a", prompt_cut=7), Response(text="b")
    with ResponseStore.open(path) as store:
        store.put_many([("cut", cut), ("whole", whole)], "model")
        assert store.get_many(["cut", "whole"]) == {"cut": cut, "whole": whole}
        assert store.cut_prompts(["cut", "whole", "none"]) == {"cut": 7}
    with sqlite3.connect(path) as database:
        ((payload,),) = database.execute("SELECT payload FROM assay_responses WHERE key = 'cut'")
    assert Codec().decode(payload) == Response(text="a")


def test_two_surrogates_side_by_side_stay_two(store: ResponseStore) -> None:
    response = Response(text="\ud83d" + "\ude00" + " and \U0001f600")
    store.put_many([(key(1), response)], model="m")
    assert store.get_many([key(1)])[key(1)] == response


def test_a_long_text_is_stored_smaller_than_it_is(path: Path) -> None:
    with ResponseStore.open(path) as store:
        text = "the answer follows from the question, which follows from the answer; " * 30
        store.put_many([(key(number), Response(text=f"{number} {text}")) for number in range(500)], model="m")
    assert path.stat().st_size < 500 * len(text) / 4


def test_the_identity_belongs_to_the_store(tmp_path: Path) -> None:
    with ResponseStore.open(tmp_path / "a") as one, ResponseStore.open(tmp_path / "b") as other:
        assert one.identity != other.identity
        with ResponseStore.open(f"sqlite:///{tmp_path}/a") as again:
            assert again.identity == one.identity


def test_the_file_is_written_ahead_and_synchronised_in_full(path: Path) -> None:
    with ResponseStore.open(path) as store, store._database.engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_threads_share_one_store(store: ResponseStore) -> None:
    errors: list[BaseException] = []

    def work(part: int) -> None:
        try:
            for number in range(part * 100, part * 100 + 100, 10):
                items = [(key(n), Response(text=f"{n} " + "x" * 500)) for n in range(number, number + 10)]
                store.put_many(items, model="m")
                assert store.get_many([name for name, _ in items]) == dict(items)
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert store.count() == 800


WRITER = """
    import sys
    from backends.store.responses import ResponseStore
    from backends.requests import Response

    store = ResponseStore.open(sys.argv[1])
    for batch in range(int(sys.argv[2])):
        numbers = range(batch * 16, batch * 16 + 16)
        texts = {f"{n:032x}": f"{sys.argv[3]} {n} " + "y" * 2000 for n in numbers}
        store.put_many([(key, Response(text=text)) for key, text in texts.items()], "m")
        print(batch, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 40])
def test_a_killed_writer_loses_nothing_it_acknowledged(path: Path, acknowledged: int) -> None:
    writer = start(WRITER, path, 1_000_000, "w")
    assert writer.stdout is not None
    for _ in range(acknowledged):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    batches = acknowledged + len([line for line in rest.splitlines(keepends=True) if line.endswith("\n")])
    with ResponseStore.open(path) as store:
        found = store.get_many([key(number) for number in range(batches * 16)])
        assert [found[key(number)].text for number in range(batches * 16)] == [
            f"w {number} " + "y" * 2000 for number in range(batches * 16)
        ]
        assert store.count() in (batches * 16, batches * 16 + 16)  # the batch in flight, whole or not at all


def test_processes_that_create_and_write_at_once_agree(path: Path) -> None:
    script = (
        WRITER
        + """
    found = store.get_many([f"{n:032x}" for n in range(int(sys.argv[2]) * 16)])
    print(store.identity, {key: response.text[:10] for key, response in found.items()})
    """
    )
    writers = [start(script, path, 10, f"w{number}") for number in range(4)]
    results = [writer.communicate() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4, results
    with ResponseStore.open(path) as store:
        assert store.count() == 160
        stored = {
            name: response.text[:10]
            for name, response in store.get_many(list(map(key, range(160)))).items()
            if response.text
        }
        assert {out.splitlines()[-1] for out, _ in results} == {f"{store.identity} {stored}"}


def test_many_openings_of_a_new_file_make_one_store(tmp_path: Path) -> None:
    for attempt in range(5):
        identities: list[str] = []
        barrier = threading.Barrier(8)

        def work(place: Path, barrier: threading.Barrier = barrier, found: list[str] = identities) -> None:
            barrier.wait()
            with ResponseStore.open(place) as store:
                found.append(store.identity)

        threads = [threading.Thread(target=work, args=(tmp_path / f"{attempt}",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(identities) == 8
        assert len(set(identities)) == 1


def test_the_folder_is_made(tmp_path: Path) -> None:
    with ResponseStore.open(tmp_path / "a" / "b" / "store") as store:
        assert store.count() == 0


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError, match=f"{tmp_path}/file/store.*folder"):
        ResponseStore.open(tmp_path / "file" / "store")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=f"{tmp_path}.*cannot be opened"):
        ResponseStore.open(tmp_path)


def test_a_folder_without_the_right_to_write_is_named() -> None:
    script = """
        import os, sqlite3, sys, tenacity
        from backends.store.responses import ResponseStore

        if os.getuid() == 0:  # who may write everywhere
            os.setuid(65534)
        ResponseStore.open(sys.argv[1])
    """
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        Path(folder).chmod(0o555)
        _, errors = start(script, Path(folder, "store")).communicate()
    assert f"BackendError: response store {folder}/store: the file cannot be opened" in errors


def test_a_file_that_is_no_store_is_named_and_left_alone(path: Path) -> None:
    path.write_text("my thesis\n" * 1000)
    with pytest.raises(BackendError, match=f"{path}: the file is not a response store"):
        ResponseStore.open(path)
    assert path.read_text() == "my thesis\n" * 1000


def test_a_damaged_file_is_an_error_that_names_it(path: Path) -> None:
    keys = [key(number) for number in range(400)]
    with ResponseStore.open(path) as store:
        store.put_many([(name, Response(text=os.urandom(1000).hex())) for name in keys], model="m")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(BackendError, match=f"{path}.*(damaged|refuses)"), ResponseStore.open(path) as store:
        store.get_many(keys)


@pytest.mark.parametrize("payload", [b"", b"?", b"j{", b'j{"no_such_field":1}', b"j[]", b"znot zstd"])
def test_a_damaged_response_is_missing_and_the_next_takes_its_place(
    path: Path, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    kept, lost = Response(text="good"), Response(text="lost")
    with ResponseStore.open(path) as store:
        store.put_many([(key(1), lost), (key(2), kept)], model="m")
        with sqlite3.connect(path) as raw:
            raw.execute("UPDATE assay_responses SET payload = ? WHERE key = ?", (payload, key(1)))
        raw.close()
        assert store.has_many([key(1), key(2)]) == {key(2)}
        assert store.get_many([key(1), key(2)]) == {key(2): kept}
        assert caplog.messages == [f"{path}: stored answers that are damaged, and count as missing: 1"]
        store.put_many([(key(1), Response(text="again")), (key(2), lost)], model="m")
        assert store.get_many([key(1), key(2)]) == {key(1): Response(text="again"), key(2): kept}


def copied(path: Path, to: Path) -> ResponseStore:
    """A copy of the one file."""
    return ResponseStore.open(shutil.copy(path, to))


def test_a_closed_store_is_whole_in_its_one_file_though_others_have_it_open(
    path: Path, tmp_path: Path
) -> None:
    with ResponseStore.open(path) as other:
        assert other.count() == 0
        with ResponseStore.open(path) as store:
            store.put_many([(key(1), Response(text="a"))], model="m")
        with copied(path, tmp_path / "copy") as copy:
            assert copy.count() == 1
        other.put_many([(key(2), Response(text="b"))], model="m")
    assert not path.with_name("responses.sqlite-wal").exists()
    with copied(path, tmp_path / "later") as copy:
        assert copy.count() == 2


def test_a_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE flow_run (id TEXT)")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(BackendError, match=f"{path}: .*another program, with the table 'flow_run'"):
        ResponseStore.open(path)
    assert path.read_bytes() == before


def test_a_store_of_another_schema_is_refused(path: Path) -> None:
    ResponseStore.open(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE assay_meta SET value = '2' WHERE name = 'schema'")
    raw.close()
    with pytest.raises(BackendError, match=f"{path} has schema 2, this version reads 1"):
        ResponseStore.open(path)


def test_a_full_disk_is_an_error_and_loses_nothing(path: Path) -> None:
    script = """
        import os, resource, signal, sys
        from backends.store.responses import ResponseStore
        from backends.errors import BackendError
        from backends.requests import Response

        store = ResponseStore.open(sys.argv[1])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        stored = 0
        try:
            while stored < 2000:
                keys = [f"{n:032x}" for n in range(stored, stored + 10)]
                store.put_many([(key, Response(text=os.urandom(1000).hex())) for key in keys], "m")
                stored += 10
        except BackendError as error:
            print(stored, error)
        sys.stdout.flush()
        os._exit(0)
    """
    out, errors = start(script, path).communicate()
    count, message = out.split(" ", 1) if out else (0, errors)
    assert str(path) in message
    assert "full" in message
    assert int(count) > 0
    with ResponseStore.open(path) as store:
        assert store.count() == int(count)
        assert len(store.get_many([key(number) for number in range(int(count))])) == int(count)


@pytest.mark.parametrize(
    "place", ["mysql://me:secret@host/db", "postgresql+asyncpg://me:secret@host/db", "://", "x://"]
)
def test_a_url_of_another_kind_is_refused_without_its_password(place: str) -> None:
    with pytest.raises(BackendError) as caught:
        ResponseStore.open(place)
    assert "secret" not in str(caught.value)


def test_a_store_in_memory_is_refused_since_it_would_lose_everything() -> None:
    with pytest.raises(BackendError, match="no write-ahead log"):
        ResponseStore.open("sqlite://")


def test_an_unreachable_server_is_an_error_without_its_password() -> None:
    with pytest.raises(BackendError) as caught:
        ResponseStore.open("postgresql://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)


def test_a_model_key_does_not_depend_on_the_order_of_the_fingerprint() -> None:
    assert fingerprint_key({"a": "1", "b": "2"}) == fingerprint_key({"b": "2", "a": "1"})
    assert fingerprint_key({"a": "1"}) != fingerprint_key({"a": "2"})
    assert len(fingerprint_key({"text": "\ud83d"})) == 32


def test_a_request_key_depends_on_the_model_and_the_request() -> None:
    one, other = Request("generate_until", "1 + 1 =").digest(), Request("generate_until", "1 + 2 =").digest()
    assert len({request_key(model, digest) for model in ("m", "n") for digest in (one, other)}) == 4
    assert request_key("m", one) == request_key("m", one)
    assert len(request_key("m", one)) == 32
    assert json.dumps(request_key("m", one)).isascii()
