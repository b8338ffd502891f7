"""The values of documents to one number, and those of tasks to one of their group."""
