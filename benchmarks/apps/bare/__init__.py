"""The floor for negotiate: an app that signs a token with an HMAC and does nothing else."""
