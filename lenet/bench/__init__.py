"""Speed, ours and others', measured side by side in one run."""
