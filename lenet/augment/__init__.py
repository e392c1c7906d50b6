"""Transforms of whole batches, one draw per image."""
