"""What trained networks get right and wrong, counted."""
