"""Whether the scores of a task in two runs can be compared: were the same documents asked in the same way?

A model's chat template may make the prompts differ, since it belongs to the model; nothing else may. What is
done with the answers, and which documents are asked, may differ: that is said, and the documents of both runs
are compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flows.comparing.matched_samples import MatchedSamples
from flows.results.results_json import RunRecord

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
class SharedTask:
    """A task that both runs scored: what their results say of it, and its samples."""

    task: str
    first: RunRecord
    second: RunRecord
    samples: MatchedSamples

    def problem(self) -> str | None:
        """Why the scores cannot be compared, if they cannot."""
        examples = [run.num_fewshot.get(self.task) for run in (self.first, self.second)]
        if examples[0] != examples[1]:
            return f"asked with {examples[0]} examples in the first run and {examples[1]} in the second"
        if changed := self._changed(_QUESTION):
            return f"asked in another way: {', '.join(changed)} of its file differ"
        if renumbered := self.samples.renumbered:
            return f"other documents: {renumbered} have another content under the same number"
        if not self.samples.coverage.both:
            return "no document is in both runs"
        return self._prompt_problem()

    def notes(self) -> Iterator[str]:
        """What else differs, and should be known to whoever reads the difference."""
        versions = [run.versions.get(self.task) for run in (self.first, self.second)]
        if versions[0] != versions[1]:
            yield f"version {versions[0]} in the first run, {versions[1]} in the second"
        covered = self.samples.coverage
        if covered.only_first or covered.only_second:
            yield (
                f"compared over the {covered.both} documents of both runs; "
                f"{covered.only_first} are only in the first, {covered.only_second} only in the second"
            )
        if self.samples.differing("prompt_hash"):
            yield "the prompts differ by the models' chat templates"
        if changed := [*self._changed(_ANSWER), *self._changed_of_run(_RUN_ANSWER)]:
            yield f"answers were drawn or scored in another way: {', '.join(changed)} differ"
        if other := self.samples.differing("target_hash"):
            yield f"the targets of {other} documents differ"

    def _prompt_problem(self) -> str | None:
        differing = self.samples.differing("prompt_hash")
        of_run = _RUN_PROMPT if self.first.num_fewshot.get(self.task) else _RUN_PROMPT[:1]
        changed = [*self._changed(_PROMPT), *self._changed_of_run(of_run)]
        by_template = not changed and self.first.chat_template != self.second.chat_template
        if not differing or by_template:
            return None
        why = f"{', '.join(changed)} differ" if changed else "its file says nothing of why"
        return f"other prompts for {differing} of {self.samples.coverage.both} documents: {why}"

    def _changed(self, keys: Sequence[str]) -> list[str]:
        one, other = (run.task_values(self.task, keys) for run in (self.first, self.second))
        return [key for key in keys if one[key] != other[key]]

    def _changed_of_run(self, keys: Sequence[str]) -> list[str]:
        one, other = self.first.run_values(keys), self.second.run_values(keys)
        return [key for key in keys if one[key] != other[key]]
