"""The floor for start: a hello-world app at the route of negotiate."""
