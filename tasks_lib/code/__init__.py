"""The Python of task files: which may run, what it imports, and what stands in for what is gone."""
