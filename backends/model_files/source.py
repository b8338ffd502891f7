"""Where a model's files are: a local folder, or a commit of the hub in its local cache."""

from dataclasses import dataclass
from pathlib import Path

from backends.errors import BackendError
from backends.files import is_folder

INSTALL = "install it with: pip install 'assay-eval[hf]'"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """One version of a model's or adapter's files.

    name: what transformers is given to load: the folder, or the hub id.
    folder: where the files are; of a hub model the snapshot in the cache, which may still lack its weights.
    commit: the hub's commit hash; None for a local folder.
    """

    name: str
    folder: Path
    commit: str | None

    @property
    def location(self) -> str:
        """What an engine is given to load: the folder, wherever the engine runs, or the hub id."""
        return self.name if self.commit else str(self.folder.resolve())


def locate(name: str, revision: str | None, config: str = "config.json") -> ModelSource:
    """Find the files of a folder or hub id; of a hub model only `config` is fetched, to learn the commit.

    Raises BackendError where neither is there.
    """
    folder = Path(name).expanduser()
    if is_folder(folder):
        return _local(folder, revision, config)
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise BackendError(f"{name}: no such folder; give the folder of a model or a hub id like 'org/model'")
    return _on_hub(name, revision, config)


def _local(folder: Path, revision: str | None, config: str) -> ModelSource:
    if revision is not None:
        raise BackendError(f"{folder}: a local folder has no revision {revision!r}; leave out `revision`")
    if not (folder / config).is_file():
        raise BackendError(f"{folder}: has no {config}; give a folder written by save_pretrained")
    return ModelSource(str(folder), folder, None)


def _on_hub(name: str, revision: str | None, config: str) -> ModelSource:
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise BackendError(f"{name}: the hub needs the package huggingface_hub; {INSTALL}") from error
    try:
        # Answers from the cache when the hub cannot be reached or HF_HUB_OFFLINE is set.
        path = Path(hf_hub_download(name, config, revision=revision))
    except (HfHubHTTPError, OSError, ValueError) as error:
        version = f" at revision {revision}" if revision else ""
        raise BackendError(
            f"{name}{version}: neither a folder nor found on the hub or in its cache "
            f"({type(error).__name__}); check the name and the network, or give a downloaded folder"
        ) from error
    return ModelSource(name, path.parent, path.parent.name)
