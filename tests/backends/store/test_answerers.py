"""Who gave the stored answers is counted, by the model that was asked."""

from pathlib import Path

from backends.requests import Call, Response
from backends.store.answerers import Answerer, names, plain
from backends.store.responses import ResponseStore
from tests.backends.store.test_responses import key, start

ASKED = "openai-chat:m"


def of(name: str, system_fingerprint: str = "") -> Response:
    call = Call(enqueued=1.0, asked=ASKED, model=name, system_fingerprint=system_fingerprint)
    return Response(text="4", call=call)


def test_each_answer_is_counted_for_whoever_gave_it(tmp_path: Path) -> None:
    path = tmp_path / "responses.sqlite"
    with ResponseStore.open(path) as store:
        for number in range(6):
            store.put_many([(key(number), of("m-1", f"fp_{number % 2}"))], model="a")
        store.put_many([(key(10), Response(text="of nobody by name"))], model="a")
        store.put_many([(key(20), of("m-2"))], model="b")
    with ResponseStore.open(path) as store:
        assert store.answerers("a") == {Answerer(ASKED, "m-1", "fp_0"): 3, Answerer(ASKED, "m-1", "fp_1"): 3}
        assert names(store.answerers("b")) == {ASKED: {"m-2"}}


def test_a_new_name_is_there_for_other_processes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "responses.sqlite"
    with ResponseStore.open(path) as store, ResponseStore.open(path) as other:
        store.put_many([(key(1), of("m-1"))], model="a")
        assert names(other.answerers("a")) == {ASKED: {"m-1"}}


def test_where_the_disk_takes_no_more_it_is_said_all_the_same(tmp_path: Path) -> None:
    script = """
        import resource, signal, sys
        from backends.store.responses import ResponseStore
        from tests.backends.store.test_answerers import key, of

        store = ResponseStore.open(sys.argv[1])
        for number in range(3):
            store.put_many([(key(number), of("m-1"))], model="a")
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
        said = [dict(store.answerers("a")) for _ in range(2)]
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        store.close()
        print([list(one.values()) for one in said])
    """
    path = tmp_path / "responses.sqlite"
    out, errors = start(script, path).communicate()
    assert out.strip() == "[[3], [3]]", errors
    with ResponseStore.open(path) as store:
        assert list(store.answerers("a").values()) == [3]


def test_a_name_that_no_database_takes_is_written_down_all_the_same(tmp_path: Path) -> None:
    odd = "m\0\ud83d" + "x" * 1000
    with ResponseStore.open(tmp_path / "responses.sqlite") as store:
        store.put_many([(key(1), of(odd))], model="a")
        assert names(store.answerers("a")) == {ASKED: {plain(odd)}}
