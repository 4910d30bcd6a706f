"""Stands in for Azure on a developer's machine. Not deployed. Imports nothing from usher."""
