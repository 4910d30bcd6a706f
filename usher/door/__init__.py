"""Who comes in: callers, their limits, and what the policy grants them."""
