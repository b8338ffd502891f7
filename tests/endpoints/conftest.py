"""The stand-in server for the tests of itself."""

from tests.endpoints.fixtures import endpoint, endpoint_process

__all__ = ["endpoint", "endpoint_process"]
