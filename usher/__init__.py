"""Usher: what runs in Azure. Nothing here imports from localdev or tests."""
