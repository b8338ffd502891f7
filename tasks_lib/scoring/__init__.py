"""Responses to scores: filter pipelines, and the metrics of each document."""
