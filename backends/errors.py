"""The errors a user of backends can cause."""


class BackendError(ValueError):
    """A model that cannot be opened or asked as configured; the message names it and the way out."""


class BackendStopped(BackendError):
    """A model that cannot be asked any more in this run, though what was answered is kept: the key is
    refused, or the endpoint stays away."""
