"""Whether the scores of a task in two runs can be compared: were the same documents asked in the same way?

A model's chat template may make the prompts differ, since it belongs to the model; nothing else may. What is
done with the answers, and which documents are asked, may differ: that is said, and the documents of both runs
are compared.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.comparing.matched_samples import Matched

Results = Mapping[str, Any]

# Keys of a task's file that decide what is asked beyond the prompt, which has a hash of its own.
_QUESTION = ("output_type", "doc_to_choice", "target_delimiter")
# Those that decide the prompt.
_PROMPT = (
    "description",
    "doc_to_text",
    "doc_to_image",
    "doc_to_audio",
    "use_prompt",
    "gen_prefix",
    "fewshot_split",
    "fewshot_config",
    "fewshot_delimiter",
)
# Those that decide what is made of the answers, and how they are drawn.
_ANSWER = ("filter_list", "metric_list", "process_results", "scorer", "repeats", "generation_kwargs")
# As _PROMPT, of the run as a whole; the seed only where there are examples. As _ANSWER.
_RUN_PROMPT = ("system_instruction", "fewshot_seed")
_RUN_ANSWER = ("gen_kwargs", "end_of_thinking", "compat")


@dataclass(frozen=True)
class Meeting:
    """A task in two runs: what their results say of it, and its samples."""

    task: str
    first: Results
    second: Results
    samples: Matched

    def problem(self) -> str | None:
        """Why the scores cannot be compared, if they cannot."""
        examples = [run["n-shot"].get(self.task) for run in (self.first, self.second)]
        if examples[0] != examples[1]:
            return f"asked with {examples[0]} examples in the first run and {examples[1]} in the second"
        if changed := self._changed(_QUESTION):
            return f"asked in another way: {_keys(changed)} of its file differ"
        both = self.samples.count("both")
        if renumbered := self.samples.renumbered:
            return f"other documents: {renumbered} have another content under the same number"
        if not both:
            return "no document is in both runs"
        return self._prompt_problem(both)

    def notes(self) -> Iterator[str]:
        """What else differs, and should be known to whoever reads the difference."""
        versions = [run["versions"].get(self.task) for run in (self.first, self.second)]
        if versions[0] != versions[1]:
            yield f"version {versions[0]} in the first run, {versions[1]} in the second"
        alone = [self.samples.count(where) for where in ("left_only", "right_only")]
        if any(alone):
            yield (
                f"compared over the {self.samples.count('both')} documents of both runs; "
                f"{alone[0]} are only in the first, {alone[1]} only in the second"
            )
        if self.samples.differing("prompt_hash"):
            yield "the prompts differ by the models' chat templates"
        if changed := [*self._changed(_ANSWER), *self._changed_of_run(_RUN_ANSWER)]:
            yield f"answers were drawn or scored in another way: {_keys(changed)} differ"
        if other := self.samples.differing("target_hash"):
            yield f"the targets of {other} documents differ"

    def _prompt_problem(self, both: int) -> str | None:
        differing = self.samples.differing("prompt_hash")
        of_run = _RUN_PROMPT if self.first["n-shot"].get(self.task) else _RUN_PROMPT[:1]
        changed = [*self._changed(_PROMPT), *self._changed_of_run(of_run)]
        templates = [run["config"].get("chat_template") for run in (self.first, self.second)]
        if not differing or (not changed and templates[0] != templates[1]):
            return None
        why = f"{_keys(changed)} differ" if changed else "its file says nothing of why"
        return f"other prompts for {differing} of {both} documents: {why}"

    def _changed(self, keys: Sequence[str]) -> list[str]:
        one, other = (run["configs"][self.task] for run in (self.first, self.second))
        return [key for key in keys if one.get(key) != other.get(key)]

    def _changed_of_run(self, keys: Sequence[str]) -> list[str]:
        one, other = self.first["config"], self.second["config"]
        return [key for key in keys if one.get(key) != other.get(key)]


def _keys(names: Sequence[str]) -> str:
    return ", ".join(names)
