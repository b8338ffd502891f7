"""Which tasks, groups and tags there are, and from names to task files."""
