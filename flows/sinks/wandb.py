"""`wandb:project` or `wandb:entity/project`: a run of Weights & Biases for each run."""

from typing import TYPE_CHECKING

from flows.common.errors import PublishError, Unavailable
from flows.common.json_object import JsonObject
from flows.results.evaluation_result import EvaluationResult
from flows.results.run_folder import safe_name
from flows.sinks import content
from flows.sinks.sink import Sink

if TYPE_CHECKING:
    from wandb import Artifact

# W&B shows no more of a table; the files beside it have all.
_SHOWN_SAMPLES = 10_000


class WandbSink(Sink):
    """A project. The key is the client's own affair (`wandb login`, WANDB_API_KEY)."""

    def publish(self, result: EvaluationResult) -> str:
        """Scores as the summary, the spec as the configuration, samples as tables, files as an artifact.

        The W&B run has the id of ours, so that what is published again is written to the same one.
        """
        import wandb

        entity, _, project = self.name.rpartition("/")
        try:
            with wandb.init(
                entity=entity or None,
                project=project,
                id=content.run_id(result),
                name=f"{content.model_name(result)} {content.run_id(result)}",
                config={**content.spec(result), "folder": str(result.folder)},
                resume="allow",
                # Nothing of the machine that publishes, which may not be the one that ran.
                settings=wandb.Settings(
                    silent=True, console="off", x_disable_stats=True, x_disable_meta=True, disable_git=True
                ),
            ) as run:
                run.summary.update(content.metrics(result))
                run.summary.update(_tables(result))
                run.log_artifact(_files(result))
                return str(run.dir if run.offline else run.url)
        except wandb.errors.Error as error:
            is_away = isinstance(error, wandb.errors.CommError)
            is_refused = isinstance(error, wandb.errors.AuthenticationError)
            kind = Unavailable if is_away and not is_refused else PublishError
            raise kind(f"wandb:{self.name}: {' '.join(str(error).split())}") from error


def _tables(result: EvaluationResult) -> JsonObject:
    import wandb

    return {
        f"samples/{task}": wandb.Table(dataframe=content.frame(file).head(_SHOWN_SAMPLES))
        for task, file in content.samples(result)
    }


def _files(result: EvaluationResult) -> "Artifact":
    import json

    import wandb

    artifact = wandb.Artifact(f"run-{content.run_id(result)}", type="evaluation")
    with artifact.new_file("results.json", encoding="utf-8") as stream:
        json.dump(content.results(result), stream, indent=2, ensure_ascii=False)
    for task, file in content.samples(result):
        with artifact.new_file(f"samples/{safe_name(task)}.parquet", mode="wb") as stream:
            stream.write(file if isinstance(file, bytes) else file.read_bytes())
    return artifact
