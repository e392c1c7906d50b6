"""Many images side by side in one register: whole training steps of small networks in Numba.

PyTorch's convolutions block channels by eight or sixteen, and with 1, 6 and 16 channels most of a
register is padding. Here the batch is innermost, (B / 16, channels, height, width, 16): a register
holds one pixel of sixteen images (of eight with AVX2), and every weight is a scalar for all of
them. `plan` turns a network into rows of numbers, `step` works through them forward and back, and
`network` hands a batch to one `step` per thread. `lanes` has the registers, `convolution`,
`normalization`, `dense` and `cross_entropy` the layers, `descent` the update, and `support` says
whether this machine can run it. Importing this package alone does not import Numba.
"""
