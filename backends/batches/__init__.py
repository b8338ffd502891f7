"""OpenAI's Batch API as a backend: requests are handed in as files, and answered within a day at half price.

What was handed in is remembered in files, so that no process has to stay: a later one collects the answers.
"""
