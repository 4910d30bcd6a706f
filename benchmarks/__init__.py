"""Measure the app and the emulator against floors of the same run. Not part of the tests."""
