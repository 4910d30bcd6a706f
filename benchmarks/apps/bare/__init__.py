"""The floor of a negotiate: an HMAC and nothing else."""
