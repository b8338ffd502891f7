"""The version of this project: of its package, in results, and by which workers are told apart."""

__version__ = "0.1.0"
