"""What the samples of the service's documentation do: a synchronous client for each call."""
