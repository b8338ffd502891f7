"""Where the project and what its tests read lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The tiny model, which knows sums, as a Hugging Face folder (models/make_tiny.py makes it).
TINY = Path(__file__).with_name("models") / "tiny"
# Data and models beside the repository; whoever needs them skips where there are none.
SHARED = ROOT.parent / "shared"
# A real model of 260 thousand parameters, as a Hugging Face folder.
STORIES = SHARED / "models" / "stories260k"
