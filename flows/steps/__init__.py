"""One step a file, in pipeline order: load_model, prepare, infer, score, persist, publish."""
