"""`tensorboard:folder`: the scores of each run as an event file below a folder."""

import json
import shutil
from pathlib import Path

from flows.common.errors import PublishError
from flows.results import score_table
from flows.results.evaluation_result import EvaluationResult
from flows.sinks import content
from flows.sinks.sink import Sink


class TensorBoardSink(Sink):
    """A folder of event files, `<folder>/<model>/<run>`."""

    def publish(self, result: EvaluationResult) -> str:
        """Scores as scalars at step 0, table and spec as texts; a file that is there is replaced."""
        from tensorboardX import SummaryWriter

        folder = Path(self.name).expanduser().absolute() / content.model_name(result) / content.run_id(result)
        time = content.started(result)
        spec = json.dumps(content.spec(result), indent=2, ensure_ascii=False)
        try:
            shutil.rmtree(folder, ignore_errors=True)
            with SummaryWriter(str(folder)) as writer:
                for name, value in content.metrics(result).items():
                    writer.add_scalar(name, value, 0, walltime=time)
                for name, text in (
                    ("scores", score_table.markdown(result.record)),
                    ("spec", f"```json\n{spec}\n```"),
                    ("folder", str(result.folder)),
                ):
                    writer.add_text(name, text, 0, walltime=time)
        except OSError as error:
            raise PublishError(f"tensorboard:{self.name}: {error}") from error
        return str(folder)
