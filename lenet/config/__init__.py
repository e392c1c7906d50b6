"""What an experiment is: every setting once, and YAML files that are read into it."""
