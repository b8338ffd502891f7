"""What is asked: task files, catalog, datasets, prompts, few-shot examples and requests."""
