"""Pictures of runs: what was learnt, what is seen, what goes wrong."""
