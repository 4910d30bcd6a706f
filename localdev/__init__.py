"""Stands in for Azure on one machine. Not shipped. Imports nothing from usher."""
