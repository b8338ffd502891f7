"""Requests per second of log-likelihoods, ours and lm-eval's, on the same requests in one process.

    python -m tests.benchmarks.loglikelihood [--model FOLDER] [--data FOLDER] [--repeats 3]

Each workload is asked of both in turn, `--repeats` times after a warm-up, and the medians are compared. The
scores are compared before, and a difference above 1e-3 ends the run. Without `--model` it is a random Llama
of 17 million parameters with a tokenizer trained on the questions.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from backends.hf.backend import HFBackend
from backends.protocol import UNBOUND
from backends.requests import Request
from tests.support.paths import SHARED

DATA = SHARED / "data"
TOLERANCE = 1e-3
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Score = tuple[float, bool]


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.model or random_llama(Path(scratch), options.data)
        ours, theirs = opened(folder, options)
        print(f"{'workload':24}{'requests':>9}{'ours/s':>10}{'lm-eval/s':>11}{'ratio':>8}{'max diff':>11}")
        for name, requests in workloads(options.data, options.docs):
            compare(name, requests, ours, theirs, options.repeats, CLOCKS[options.clock])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a model")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with allenai/ai2_arc and cais/mmlu")
    parser.add_argument("--docs", type=int, default=32, help="documents of each workload")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each side")
    parser.add_argument("--batch-size", type=int, default=16, help="lm-eval's batch size; ours is auto")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: processor time, for a busy machine"
    )
    return parser.parse_args()


def opened(folder: Path, options: argparse.Namespace) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two askers: requests to scores in order."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    backend = HFBackend(str(folder), dtype=options.dtype, device=options.device)
    harness = HFLM(str(folder), dtype=options.dtype, device=options.device, batch_size=options.batch_size)

    def ours(requests: list[Request]) -> list[Score]:
        answers = dict(answer for batch in backend.ask(requests, UNBOUND) for answer in batch)
        return [(float(answers[i].logprob or 0), bool(answers[i].is_greedy)) for i in range(len(requests))]

    def theirs(requests: list[Request]) -> list[Score]:
        instances = [
            Instance("loglikelihood", {}, (request.prompt, request.continuation), i)
            for i, request in enumerate(requests)
        ]
        return list(harness.loglikelihood(instances, disable_tqdm=True))

    return ours, theirs


def compare(
    name: str,
    requests: list[Request],
    ours: Callable[[list[Request]], list[Score]],
    theirs: Callable[[list[Request]], list[Score]],
    repeats: int,
    clock: Callable[[], float],
) -> None:
    """Check that the scores agree, then time both in turn and print the medians."""
    difference = max(abs(a[0] - b[0]) for a, b in zip(ours(requests), theirs(requests), strict=True))
    if difference > TOLERANCE:
        raise SystemExit(f"{name}: scores differ by {difference}")
    seconds = [(timed(ours, requests, clock), timed(theirs, requests, clock)) for _ in range(repeats)]
    mine, other = (len(requests) / statistics.median(side) for side in zip(*seconds, strict=True))
    print(
        f"{name:24}{len(requests):9}{mine:10.1f}{other:11.1f}{mine / other:8.2f}{difference:11.1e}",
        flush=True,
    )


def timed(
    ask: Callable[[list[Request]], list[Score]], requests: list[Request], clock: Callable[[], float]
) -> float:
    began = clock()
    ask(requests)
    return clock() - began


def workloads(data: Path, docs: int) -> Iterator[tuple[str, list[Request]]]:
    """ARC easy with 0 and 5 shots (choices of some tokens, shots drawn for each document), MMLU with 5 fixed
    shots (choices of one token)."""
    asked, shots = (
        rows(data / "allenai/ai2_arc/ARC-Easy/test.parquet"),
        rows(data / "allenai/ai2_arc/ARC-Easy/train.parquet"),
    )
    yield "arc_easy 0-shot", [r for doc in asked[: 2 * docs] for r in arc_requests("", doc)]
    draw = random.Random(1234)
    yield (
        "arc_easy 5-shot",
        [
            request
            for doc in asked[:docs]
            for request in arc_requests("".join(map(arc_shot, draw.sample(shots, 5))), doc)
        ],
    )
    subject = data / "cais/mmlu/high_school_biology"
    header = "The following are multiple choice questions (with answers) about high school biology.\n\n"
    header += "".join(f"{mmlu(doc)} {'ABCD'[doc['answer']]}\n\n" for doc in rows(subject / "dev.parquet"))
    yield (
        "mmlu 5-shot",
        [
            Request("loglikelihood", header + mmlu(doc), f" {letter}")
            for doc in rows(subject / "test.parquet")[: 2 * docs]
            for letter in "ABCD"
        ],
    )


def rows(path: Path) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return table


def arc_question(doc: dict[str, Any]) -> str:
    return f"Question: {doc['question']}\nAnswer:"


def arc_shot(doc: dict[str, Any]) -> str:
    answer = doc["choices"]["text"][doc["choices"]["label"].index(doc["answerKey"])]
    return f"{arc_question(doc)} {answer}\n\n"


def arc_requests(header: str, doc: dict[str, Any]) -> list[Request]:
    prompt = header + arc_question(doc)
    return [Request("loglikelihood", prompt, f" {choice}") for choice in doc["choices"]["text"]]


def mmlu(doc: dict[str, Any]) -> str:
    choices = "".join(f"\n{letter}. {choice}" for letter, choice in zip("ABCD", doc["choices"], strict=True))
    return f"{doc['question'].strip()}{choices}\nAnswer:"


def random_llama(folder: Path, data: Path) -> Path:
    """A seeded Llama without training, with a byte-level BPE tokenizer of the questions."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    texts = [arc_shot(doc) for doc in rows(data / "allenai/ai2_arc/ARC-Easy/train.parquet")]
    texts += [mmlu(doc) for doc in rows(data / "cais/mmlu/high_school_biology/test.parquet")]
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(texts, vocab_size=16384, special_tokens=["<s>", "</s>"])
    PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=16384,
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
