"""What an answer is worth: filters, metrics, aggregation and standard errors, as pure functions."""
