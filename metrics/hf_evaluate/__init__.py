"""The metrics of Hugging Face's evaluate that are here without its hub."""
