"""What app and emulator cost, beside floors of the same run. Not part of the tests."""
