"""Batch norm folded into the weights before it, once a network is trained."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from lenet.models.lenet5_modern import LeNet5Modern


def fold_batch_norm(model: LeNet5Modern) -> LeNet5Modern:
    """Return the network of 61,706 weights that says what a trained one with batch norm says.

    Batch norm of a trained network is a factor and a summand per map, which the kernels and biases
    before it can carry as well.

    Args:
        model: Built with ``batch_norm=True``, in evaluation mode; left unchanged.

    Raises:
        ValueError: The network has no batch norm, or is in training mode.
    """
    norms = [n for n in model.modules() if isinstance(n, nn.BatchNorm1d | nn.BatchNorm2d)]
    if model.training or not norms:
        raise ValueError("only a LeNet-5 with batch norm, in evaluation mode, can be folded")
    folded = LeNet5Modern(dropout=model.dropout.p)
    folded.c1 = fuse_conv_bn_eval(model.c1, norms[0])
    folded.c3 = fuse_conv_bn_eval(model.c3, norms[1])
    folded.c5 = fuse_conv_bn_eval(model.c5, norms[2])
    folded.f6 = fuse_linear_bn_eval(model.f6, norms[3])
    folded.squash1, folded.squash3 = model.squash1[1:], model.squash3[1:]
    folded.squash5, folded.squash6 = model.squash5[1:], model.squash6[1:]
    folded.s2, folded.s4, folded.output = model.s2, model.s4, model.output
    return folded.eval()
