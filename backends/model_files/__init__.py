"""A model's files as all local engines read them: fingerprint, tokenizer, chat template, options."""
