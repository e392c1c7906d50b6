"""Transforms of whole batches, with one draw per image.

A transform draws its parameters from a generator and applies them: `BatchTransform.draw` and
`BatchTransform.apply_to`. Images are pixels in [0, 1], float (B, C, H, W), 0 = background.
"""
