"""What answers pass through on their way from a model to a run: for now the response store."""
