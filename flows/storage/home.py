"""Where what outlives a run is kept: `ASSAY_HOME`, by default `assay` in the user's cache folder."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The folder's layout; nothing is created before it is written to."""

    root: Path

    @classmethod
    def from_environment(cls) -> "Home":
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(Path(os.environ.get("ASSAY_HOME") or cache / "assay").expanduser().absolute())

    def make(self) -> None:
        """Make the folder, for its owner alone; one that is there stays as it is. What cannot be made is said
        by whoever writes there."""
        with suppress(OSError):
            self.root.parent.mkdir(parents=True, exist_ok=True)
            self.root.mkdir(mode=0o700)

    @property
    def store(self) -> Path:
        return self.root / "responses.sqlite"

    @property
    def experience(self) -> Path:
        """What calls of each model took, for `--estimate`."""
        return self.root / "experience"

    @property
    def parameters(self) -> Path:
        """Parameters of flow runs that are too large for Prefect's API."""
        return self.root / "parameters"

    @property
    def identities(self) -> Path:
        """The identity each task had when it was last asked, for `--explain-cache`."""
        return self.root / "identities"

    @property
    def written_by_runs(self) -> tuple[Path, ...]:
        """The folders that are of runs alone, whatever else somebody keeps in the home."""
        steps, shared, catalog = (self.root / name for name in ("steps", "shared", "catalog"))
        return (steps, shared, catalog, self.experience, self.parameters, self.identities)

    @property
    def requests(self) -> Path:
        """Which rights and places runs were given (`flows.results.own_requests`)."""
        return self.root / "requests"
