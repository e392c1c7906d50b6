"""The run folder: written atomically, found by name, listed, published."""
