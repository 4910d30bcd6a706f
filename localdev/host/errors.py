"""The host's one error: what stops it from starting. Answers to requests are not errors here."""


class HostError(Exception):
    """The app or its settings cannot be served; the text says what to change, without secrets."""
