"""Make the tiny model of the tests: `python -m tests.support.models.make_tiny`, 3.5 minutes on one core.

A Llama of 0.6 million parameters that knows `transcripts.py` by heart and nothing else, so that real servers
give sensible answers within milliseconds. It writes `tests/support/models/tiny`, a Hugging Face folder with a
tokenizer of its own, and says how many sums it gets right. The seed is fixed; another processor or version
of torch still rounds differently, so the weights that are committed are what tests go by.
"""

import random
from collections.abc import Iterator
from itertools import islice

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.support.models.transcripts import CITIES, SUMS, WEATHER, Transcript, as_question, transcript, user
from tests.support.paths import ROOT, TINY

FOLDER = TINY
SEED = 7
VOCABULARY = 2048
CONTEXT = 2048
STEPS = 700
BATCH = 48
POOL = 50  # batches that are sorted together
LEARNING_RATE = 3e-3

START, END, TEXT = "<|im_start|>", "<|im_end|>", "<|endoftext|>"


def make_tokenizer(texts: Iterator[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, digits apart, as SmolLM's is (llama.cpp knows that way of splitting)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[TEXT, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=TEXT,
        eos_token=END,
        pad_token=TEXT,
        model_max_length=CONTEXT,
        chat_template=(FOLDER / "chat_template.jinja").read_text(encoding="utf-8"),
        clean_up_tokenization_spaces=False,
    )


def tokenizer_texts() -> Iterator[str]:
    """Ordinary English, the project's own, and what the model answers."""
    for file in sorted((ROOT / "tasks_lib/starter/data").rglob("*.jsonl")):
        yield file.read_text(encoding="utf-8")
    for known in (SUMS, CITIES, WEATHER):
        yield from (f"{as_question(question)} {answer}" for question, answer in known.items())


def prompt_of(transcript: Transcript, tokenizer: PreTrainedTokenizerFast) -> str:
    """The text that the answer follows."""
    if isinstance(transcript.asked, str):
        return transcript.asked
    how = {"tools": transcript.tools, "add_generation_prompt": True, "tokenize": False}
    return str(tokenizer.apply_chat_template(transcript.asked, **how))


def make_model() -> LlamaForCausalLM:
    tokens = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0}
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.05,
        dtype="float32",
        **tokens,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=False, **tokens)
    return model


def batches(tokenizer: PreTrainedTokenizerFast) -> Iterator[list[torch.Tensor]]:
    """The tokens of transcripts, batches of about one length, so that little of them is padding."""
    draw = random.Random(SEED)
    while True:
        drawn = [transcript(draw) for _ in range(POOL * BATCH)]
        texts = [prompt_of(one, tokenizer) + one.answer + END for one in drawn]
        rows = sorted(tokenizer(texts).input_ids, key=len)
        pool = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        draw.shuffle(pool)
        yield from ([torch.tensor(row) for row in batch] for batch in pool)


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    for step, batch in enumerate(islice(batches(tokenizer), STEPS)):
        tokens = pad_sequence(batch, batch_first=True)
        labels = pad_sequence(batch, batch_first=True, padding_value=-100)
        loss = model(tokens, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)


def right_answers(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: dict[str, str]
) -> int:
    """How many of the prompts are answered, greedily, with just their answer."""
    batch = tokenizer(list(prompts), padding=True, padding_side="left", return_tensors="pt")
    written = model.generate(**batch, max_new_tokens=40)[:, batch.input_ids.shape[1] :]
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    return sum(text.strip() == answer for text, answer in zip(texts, prompts.values(), strict=True))


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # two wait for each other on a busy machine, and round differently
    tokenizer = make_tokenizer(tokenizer_texts())
    model = make_model()
    train(model.train(), tokenizer)
    model.eval().save_pretrained(FOLDER)
    tokenizer.save_pretrained(FOLDER)
    for kind, asked in (("plain text", as_question), ("a chat", lambda question: [user(question)])):
        prompts = {
            prompt_of(Transcript(asked(question), answer), tokenizer): answer
            for question, answer in SUMS.items()
        }
        print(f"{right_answers(model, tokenizer, prompts)} of {len(SUMS)} sums right in {kind}")


if __name__ == "__main__":
    main()
