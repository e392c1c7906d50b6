"""Learners of three small networks, and batches for them, for tests of how they are stepped."""

from functools import partial

import torch

from lenet.losses import LOSSES, classify
from lenet.models import build_model
from lenet.training.gradient import GradientLearner
from lenet.training.optimizers import OPTIMIZERS
from lenet.training.schedules import SCHEDULES

SEEDS = [3, 4, 5]
SGD = partial(OPTIMIZERS["sgd"], lr=0.05, weight_decay=0.01, momentum=0.9, nesterov=True)
ADAMW = partial(OPTIMIZERS["adamw"], lr=1e-3, weight_decay=0.1, betas=[0.9, 0.999])
NETWORKS = {
    "modern": ("lenet5-modern", {}, "cross-entropy"),
    "batch norm": ("lenet5-modern", {"batch_norm": True}, "cross-entropy"),
    "average pooling": ("lenet5-modern", {"pooling": "average"}, "squared-targets"),
    "1998": ("lenet5", {}, "map"),
    "mlp": ("mlp", {"hidden": [20]}, "cross-entropy"),
}


def learner(kind, name: str = "modern", optimizer=SGD, ema: float = 0.0) -> GradientLearner:
    model, options, loss = NETWORKS[name]
    models = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        models.append(build_model(model, 32, **options))
    criterion = LOSSES[loss]()
    return kind(
        models,
        SEEDS,
        criterion,
        partial(classify, kind=criterion.outputs),
        optimizer,
        SCHEDULES["cosine"](2),
        steps_per_epoch=3,
        ema=ema,
    )


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(step)
    inputs = torch.randn(len(SEEDS), 8, 1, 32, 32, generator=draw)
    return inputs, torch.randint(10, (len(SEEDS), 8), generator=draw)
