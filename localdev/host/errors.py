"""The error that stops the host from starting. Error responses to requests are not exceptions."""


class HostError(Exception):
    """The app or its settings cannot be served; the text says what to change and has no secrets."""
