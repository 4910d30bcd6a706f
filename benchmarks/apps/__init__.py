"""Function apps that are measured beside Usher. Each is loaded by the runtime, never imported."""
