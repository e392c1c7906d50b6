"""The run folder: written whole or not at all, found by name, listed."""
