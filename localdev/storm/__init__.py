"""Load test of joins: many clients join one group on a local stack, and the results are checked."""
