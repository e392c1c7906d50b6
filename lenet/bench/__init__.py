"""Benchmarks: our speed and others', measured side by side in one run."""
