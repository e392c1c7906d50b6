"""LeNet-5 as it was in 1998 and as it is trained today."""

__version__ = "0.1.0"
