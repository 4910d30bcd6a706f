"""The errors that stop the host or the app. Error responses to requests are not exceptions."""


class HostError(Exception):
    """The app or its settings cannot be served; the text says what to change and has no secrets."""


class StartError(HostError):
    """The app cannot start, so Azure answers every request with 503; the text says why."""
