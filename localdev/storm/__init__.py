"""A crowd that joins one group at once, on the whole local stack, and what becomes of it."""
