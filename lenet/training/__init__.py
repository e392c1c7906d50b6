"""From a config to weights: one loop, and the update rules that it drives."""
