"""A stand-in for vLLM's and SGLang's server: their command lines, health and answers, without a model.

It says in the file `STAND_IN_NOTES`, a JSON object a line, which processes it has (itself and a child) and
which key it wants. STAND_IN_MANNER: `fails` at the start, `hangs` there, or `breaks` at the first question.
The log-probability of a token is -1 minus a hundredth of its number.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MANNER = os.environ.get("STAND_IN_MANNER", "")


def logprob(token: int) -> float:
    return -1 - token / 100


def completion(body: dict[str, Any]) -> dict[str, Any]:
    tokens = body["prompt"]
    values = [logprob(token) for token in tokens]
    logprobs = {
        "token_logprobs": [None, *values[1:], -1.0],
        "top_logprobs": [None, *({str(token): logprob(token)} for token in tokens[1:]), {"0": -1.0}],
        "text_offset": None,
    }
    choice = {"text": " seven.", "finish_reason": "stop", "logprobs": logprobs if body.get("echo") else None}
    return {
        "model": body["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": len(tokens), "completion_tokens": 2},
    }


def generation(body: dict[str, Any]) -> dict[str, Any]:
    tokens = body["input_ids"][body.get("logprob_start_len", 0) :]
    entries = [[None, tokens[0], None], *([logprob(token), token, None] for token in tokens[1:])]
    meta = {
        "finish_reason": {"type": "stop"},
        "prompt_tokens": len(body["input_ids"]),
        "completion_tokens": 2,
        "input_token_logprobs": entries,
        "input_top_logprobs": [None, *([entry] for entry in entries[1:])],
    }
    return {"text": " seven.", "meta_info": meta}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    key = ""

    def do_GET(self) -> None:
        allowed = self.path == "/health" or self._has_key()
        self._answer(200 if allowed else 401, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if MANNER == "breaks":
            print("RuntimeError: out of memory", flush=True)
            os._exit(1)
        if not self._has_key():
            self._answer(401, {})
            return
        answers = {"/v1/completions": completion, "/generate": generation}
        self._answer(200, answers[self.path](body))

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _has_key(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {self.key}"

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--config", type=Path)
    options, rest = parser.parse_known_args()
    if MANNER == "fails":
        sys.exit("Traceback:\n  ...\nValueError: weights are broken\nRuntimeError: See root cause above")
    file = options.config.read_text().removeprefix("api-key: ").strip() if options.config else ""
    Handler.key = os.environ.get("VLLM_API_KEY") or file
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    notes = {"processes": [os.getpid(), child.pid], "key": Handler.key, "arguments": rest}
    with open(os.environ["STAND_IN_NOTES"], "a") as lines:
        lines.write(json.dumps(notes) + "\n")
    if MANNER == "hangs":
        print("loading", flush=True)
        time.sleep(600)
    ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
