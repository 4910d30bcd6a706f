"""The usual sample of the service's documentation: a synchronous client for each call."""
