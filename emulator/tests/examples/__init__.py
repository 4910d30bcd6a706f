"""Examples of tests with the pytest plugin, which are run as tests."""
