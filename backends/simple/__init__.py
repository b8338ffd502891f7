"""Models without a neural network: constants to compare with, and answers that are written down.

`SimpleBackend` is what one's own backend begins with: `from backends.simple import SimpleBackend`.
"""

from backends.simple.base import SimpleBackend

__all__ = ["SimpleBackend"]
