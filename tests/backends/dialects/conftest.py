"""The stand-in server for the tests of dialects."""

from tests.endpoints.fixtures import endpoint, endpoint_process

__all__ = ["endpoint", "endpoint_process"]
