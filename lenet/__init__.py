"""LeNet-5 as it was in 1998 and as it is trained today.

>>> import lenet
>>> network = lenet.load("published:lenet5/0")
>>> digits = lenet.load_dataset("mnist-sample").test
>>> network(digits.images[:3]).argmax(dim=1), digits.labels[:3]
(tensor([0, 0, 0]), tensor([0, 0, 0]))

The functions come from `lenet.api`; torch is imported when the first of them is used.
"""

from typing import TYPE_CHECKING, Any

from lenet.errors import LenetError

if TYPE_CHECKING:
    from lenet.api import build, load, load_dataset, predict, train

__version__ = "0.1.0"
__all__ = ["LenetError", "build", "load", "load_dataset", "predict", "train"]


def __getattr__(name: str) -> Any:
    """Import the public functions when they are used, so that ``import lenet`` takes no time."""
    if name in __all__:
        from lenet import api

        return getattr(api, name)
    raise AttributeError(f"module 'lenet' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, also those not imported yet."""
    return sorted({*globals(), *__all__})
