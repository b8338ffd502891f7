"""Attacks on keys, and by those who may start runs."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.drill.attack import Attack, Try
from tests.support.lab import Lab
from tests.support.paths import ROOT

SECTION = "keys"
KEY = "sk-proj-MARKERQ7Z9MARKERQ7Z9MARKERQ7Z9"

# Flags with a key where none may be.
WITH_KEYS: Mapping[str, Sequence[str]] = {
    "address's user": [f"--model=openai-chat:m?base_url=http://u:{KEY}@127.0.0.1:1/v1"],
    "address's query": [f"--model=openai-chat:m?base_url=http://127.0.0.1:1/v1?key={KEY}"],
    "header": [f'--model=openai-chat:m?base_url=http://127.0.0.1:1/v1&headers={{"X-Custom":"Bearer {KEY}"}}'],
    "option": [f"--model=openai-chat:m?base_url=http://127.0.0.1:1/v1&api_key={KEY}"],
    "option, other case": [f"--model=openai-chat:m?base_url=http://127.0.0.1:1/v1&API-KEY={KEY}"],
    "variable": [f"--model=openai-chat:m?base_url=http://127.0.0.1:1/v1&api_key_env={KEY}"],
    "body": [
        f'--model=openai-chat:m?base_url=http://127.0.0.1:1/v1&extra_body={{"a":{{"api_key":"{KEY}"}}}}'
    ],
    "generation": ["--model=scripted:hash", f"--gen-kwargs=api_key={KEY}"],
    "runner": ["--model=scripted:hash", f"--runner=dask:tcp://u:{KEY}@127.0.0.1:1"],
    "output": ["--model=scripted:hash", f"--output=s3://{KEY}:x@b/c"],
    "store": ["--model=scripted:hash", f"--store=postgresql://127.0.0.1/x?password={KEY}"],
    "sink": ["--model=scripted:hash", f"--sinks=hub:o/n?token={KEY}"],
    "unknown flag": ["--model=scripted:hash", f"--api-key={KEY}"],
}
# What somebody who may start runs might start on the worker.
BEYOND_POLICY: Mapping[str, Sequence[str]] = {
    "a model's code": ["--model=hf:anyone/model?trust_remote_code=true"],
    "tasks' code": ["--model=starter:smollm2-135m-instruct", "--trust-task-code"],
    "programs without a sandbox": [
        "--model=starter:smollm2-135m-instruct",
        "--allow-unsafe-code",
        "--sandbox=none",
    ],
    "a program": ["--model=vllm-server:m?python=/usr/bin/touch"],
    "a function": ["--model=scripted:os:getcwd"],
    "a variable": ["--model=openai-chat:m?base_url=http://127.0.0.1:1/v1&api_key=env:AWS_SECRET_ACCESS_KEY"],
    "a host": ["--model=openai-chat:m?base_url=http://192.0.2.1/v1&api_key=env:MY_KEY"],
    "a block": ["--model=openai-chat:m?base_url=http://127.0.0.1:1/v1&api_key=secret:any"],
    "a file": ["--model=scripted:hash?log=/tmp/assay-drill-log"],
    "a folder": ["--model=starter:smollm2-135m-instruct", "--output=/tmp/assay-drill-output"],
    "a store": ["--model=starter:smollm2-135m-instruct", "--store=postgresql://192.0.2.1/x"],
    "a scheduler": ["--model=starter:smollm2-135m-instruct", "--runner=dask:tcp://192.0.2.1:8786"],
}


def in_specs(lab: Lab) -> Iterator[Try]:
    """Keys in every place that would be written down."""
    lab.add_texts("sums", 1)
    for name, flags in WITH_KEYS.items():
        ended = lab.run(*flags, tasks="sums", model="")
        said = ended.out + ended.errors
        yield Try(name, ended.status == 2 and KEY not in said and not _written(lab.home.parent, KEY), said)


def default_key(lab: Lab) -> Iterator[Try]:
    """A server that is not the provider's, asked by somebody who has the provider's key."""
    lab.add_texts("sums", 1)
    for variable, backend in {
        "OPENAI_API_KEY": "openai-chat",
        "ANTHROPIC_API_KEY": "anthropic",
    }.items():
        with listening() as (port, heard):
            model = f"{backend}:m?base_url=http://127.0.0.1:{port}/v1&max_tries=1"
            ended = lab.run(tasks="sums", model=model, **{variable: KEY})
        yield Try(backend, not any(KEY in one for one in heard), ended.errors)


def beyond_policy(lab: Lab) -> Iterator[Try]:
    """Runs that the policy of a worker does not allow."""
    lab.add_texts("sums", 1)
    policy = str(ROOT / "deployments" / "policy.yaml")
    env = {"ASSAY_POLICY": policy, "AWS_SECRET_ACCESS_KEY": KEY, "MY_KEY": KEY}
    for name, flags in BEYOND_POLICY.items():
        ended = lab.run(
            f"--data-root={ROOT / 'data'}",
            "--output=results",
            "--include-path=",
            *flags,
            tasks="starter_math",
            model="",
            **env,
        )
        held = ended.status == 2 and "policy" in ended.errors and KEY not in ended.errors
        yield Try(name, held, ended.errors)


def other_users(lab: Lab) -> Iterator[Try]:
    """What other users of the machine may read of a home and its stores."""
    lab.add_texts("sums", 1)
    fresh = lab.home.parent / "fresh"
    ended = lab.run(tasks="sums", ASSAY_HOME=str(fresh))
    yield Try("the home", ended.status == 0 and not stat.S_IMODE(fresh.stat().st_mode) & 0o077, ended.errors)
    stores = list(fresh.glob("*.sqlite*"))
    readable = [file.name for file in stores if stat.S_IMODE(file.stat().st_mode) & 0o077]
    yield Try("the store", bool(stores) and not readable, str(readable))


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """A server that notes the headers of what it is asked, and refuses it: its port, and what it heard."""
    heard: list[str] = []

    class Notes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(str(self.headers))
            self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815  # the names are http.server's

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Notes) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], heard
        server.shutdown()


def _written(folder: Path, text: str) -> bool:
    """Whether any file below a folder has a text, as it is."""
    files = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
    return any(text.encode() in file.read_bytes() for file in files if file.is_file())


ATTACKS = (
    Attack(SECTION, "keys in what users write", in_specs),
    Attack(SECTION, "a provider's key for another host", default_key),
    Attack(SECTION, "runs beyond a worker's policy", beyond_policy),
    Attack(SECTION, "files that other users read", other_users),
)
