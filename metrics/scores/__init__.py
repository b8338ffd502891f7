"""What one document is worth, and the table of metrics that task files name."""
