"""What remote calls and all answers pass through on their way from a model to a run."""
