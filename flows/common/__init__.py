"""Errors and text tables: what every other package of `flows` may use."""
