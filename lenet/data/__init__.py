"""Images and labels as two tensors: found, read, split, preprocessed, batched."""
