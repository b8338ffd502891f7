"""The errors a user of backends can cause."""


class BackendError(ValueError):
    """A model that cannot be opened or asked as configured; the message names it and the way out."""
