"""The record of a run: layout, writers, table and data frames."""
