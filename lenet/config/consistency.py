"""What does not fit together in a config whose settings are each legal by themselves."""

from lenet.config.schema import (
    CTC,
    MAP,
    MLP,
    MSE,
    SDLM,
    SGD,
    Config,
    Constant,
    CrossEntropy,
    Layers,
    LeNet5,
    LeNet5Modern,
    Line,
)


def contradictions(config: Config) -> list[tuple[tuple[str | int, ...], str]]:
    """Return what does not fit together, as (path of the key to change, sentence) pairs."""
    found: list[tuple[tuple[str | int, ...], str]] = []

    def refuse(condition: bool, path: tuple[str | int, ...], sentence: str) -> None:
        if condition:
            found.append((path, sentence))

    model, loss, optimizer, train = config.model, config.loss, config.optimizer, config.train
    sdlm = isinstance(optimizer, SDLM)
    penalties = isinstance(model, LeNet5) or (isinstance(model, Layers) and model.ends_in("rbf"))
    needs_penalties = isinstance(loss, MSE | MAP)
    refuse(
        penalties and not needs_penalties,
        ("loss", "kind"),
        f"{model.kind} puts out penalties: its loss is mse or map, not {loss.kind}",
    )
    refuse(
        needs_penalties and not penalties,
        ("loss", "kind"),
        f"{loss.kind} needs the penalties of lenet5 or of a layer rbf at the end;"
        f" {model.kind} takes cross-entropy or squared-targets",
    )
    size = model.input_size
    refuse(
        size is not None and config.input.size != size,
        ("input", "size"),
        f"{model.kind} takes {size}×{size} pixels, not {config.input.size}×{config.input.size}:"
        f" set input.size={size}, or choose a model that takes any size, such as compact",
    )
    strings = config.data.strings
    refuse(
        isinstance(model, Line) != isinstance(loss, CTC),
        ("loss", "kind"),
        f"the model line and the loss ctc go together, not {model.kind} and {loss.kind}",
    )
    refuse(
        isinstance(model, Line) != (strings is not None),
        ("data", "strings"),
        f"data.strings composes lines for the model line; {model.kind} reads "
        + ("lines: set data.strings={}" if isinstance(model, Line) else "single images"),
    )
    if strings is not None:
        for name in ("digits", "gap"):
            low, high = getattr(strings, name)
            refuse(low > high, ("data", "strings", name), f"[{low}, {high}]: the smaller one first")
        unused = {
            "mix": config.mix,
            "distil": config.distil,
            "data.boosting": config.data.boosting,
            "input.shuffle": config.input.shuffle is not None,
            "input.upright": config.input.upright,
            "input.width": config.input.width,
            "input.scale": config.input.scale != 1,
            "evaluate.train": config.evaluate.train,
        }
        for name, given in unused.items():
            path = tuple(name.split("."))
            refuse(
                bool(given), path, f"{name} is for single images, not for the lines of data.strings"
            )
    refuse(
        config.data.name == "files" and config.data.path is None,
        ("data", "name"),
        "your own files need data.path",
    )
    refuse(
        config.data.path is not None and config.data.name != "files",
        ("data", "path"),
        f"data.path is for your own images: set data.name=files, not {config.data.name}",
    )
    refuse(
        (config.input.mean is None) != (config.input.std is None),
        ("input", "mean"),
        "input.mean and input.std go together",
    )
    refuse(
        bool(config.mix) and needs_penalties,
        ("mix",),
        f"mixing gives an image two labels, which {loss.kind} cannot use",
    )
    refuse(
        config.distil is not None and needs_penalties,
        ("distil",),
        f"a teacher gives an image several labels, which {loss.kind} cannot use",
    )
    refuse(
        isinstance(optimizer, SGD) and optimizer.nesterov and optimizer.momentum == 0,
        ("optimizer", "nesterov"),
        "nesterov needs momentum above 0",
    )
    refuse(
        sdlm and not isinstance(config.schedule, Constant),
        ("schedule", "kind"),
        "the sdlm rule has its own schedule, optimizer.eta",
    )
    refuse(
        sdlm and isinstance(loss, CrossEntropy),
        ("loss", "kind"),
        "the sdlm rule knows the curvature of mse, map and squared-targets, not of cross-entropy",
    )
    refuse(
        sdlm and isinstance(model, LeNet5Modern),
        ("model", "kind"),
        "the sdlm rule trains networks of 1998; lenet5-modern takes sgd or adamw",
    )
    refuse(
        sdlm and isinstance(model, MLP) and model.activation != "scaled-tanh",
        ("model", "activation"),
        "the sdlm rule needs the activation scaled-tanh",
    )
    refuse(
        sdlm and isinstance(model, MLP) and model.dropout > 0,
        ("model", "dropout"),
        "the sdlm rule switches no units off",
    )
    refuse(
        sdlm and config.quantize is not None,
        ("quantize",),
        "the sdlm rule does not round weights; sgd and adamw do",
    )
    refuse(sdlm and train.ema > 0, ("train", "ema"), "the sdlm rule does not average weights")
    refuse(sdlm and bool(train.freeze), ("train", "freeze"), "the sdlm rule trains all layers")
    refuse(sdlm and bool(config.mix), ("mix",), "the sdlm rule learns from one image at a time")
    refuse(
        train.keep == "best-validation" and config.data.validation == 0,
        ("train", "keep"),
        "best-validation needs data.validation above 0: the test set chooses nothing",
    )
    refuse(
        train.patience is not None and config.data.validation == 0,
        ("train", "patience"),
        "patience needs data.validation above 0: the test set does not say when to stop",
    )
    refuse(
        (config.data.distorted_copies > 0) != bool(config.data.distort),
        ("data", "distort"),
        "data.distort and data.distorted_copies go together",
    )
    refuse(
        config.data.boosting is not None and train.images_per_epoch is None,
        ("data", "boosting"),
        "how many images earlier networks leave differs by seed: set train.images_per_epoch",
    )
    refuse(
        config.data.balance and train.order == "constant",
        ("data", "balance"),
        "balanced classes are drawn anew in each epoch: set train.order=shuffled",
    )
    refuse(
        train.no_augment_epochs > train.epochs,
        ("train", "no_augment_epochs"),
        f"{train.no_augment_epochs} epochs without augmentation are more than the {train.epochs}"
        " epochs there are: change both",
    )
    return found
