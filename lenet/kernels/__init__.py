"""Sixteen images side by side in one register: a training step of LeNet-5 in Numba.

PyTorch's convolutions block channels by sixteen, and with 1, 6 and 16 channels most of a register
is padding. Here the batch is innermost, (B / 16, channels, height, width, 16): a register holds one
pixel of sixteen images, and every weight is a scalar for all of them. `lanes` has the registers,
`convolution`, `normalization`, `dense` and `cross_entropy` the layers, `lenet5` the whole step, and
`support` says whether this machine can run it. Importing this package alone does not import Numba.
"""
