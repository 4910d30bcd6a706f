"""The floor of a start: hello world, at the route of negotiate."""
