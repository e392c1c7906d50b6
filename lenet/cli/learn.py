"""Commands that explain networks: layers, convolution arithmetic, filters, robustness."""

from pathlib import Path
from typing import Annotated

import typer

from lenet.cli.app import is_terminal, say
from lenet.cli.options import (
    ConfigArgument,
    Data,
    Json,
    Markdown,
    Overrides,
    Overwrite,
    PictureKind,
    Runs,
    Theme,
    print_json,
    print_table,
    print_tables,
    refuse_unused,
)


def summary(
    config: ConfigArgument,
    overrides: Overrides = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Show a network layer by layer: sizes, parameters, operations, receptive fields."""
    from lenet.config.load import load_config

    source = load_config(config, overrides)
    from lenet.models.summary import summarize_network
    from lenet.training.build import build
    from lenet.training.experiment import describe_images

    seed, size = source.config.seed, source.config.input.size
    with source.explaining():
        described = describe_images(source.config, say, is_terminal())
        classifier = build(described, [seed]).classifiers[seed]
    result = summarize_network(classifier.model, (classifier.data.channels, size, size))
    if as_json:
        print_json(result.as_dict())
    else:
        print_table(result.table())


def arithmetic(
    picture: Annotated[
        str, typer.Option("--input", metavar="WxHxCHANNELS", help="Input size: 640x480x3.")
    ],
    size: Annotated[int, typer.Option(help="Width and height of the filters in pixels, f.")],
    filters: Annotated[int, typer.Option(help="Number of filters.")] = 1,
    stride: Annotated[int, typer.Option(help="Stride in pixels, s.")] = 1,
    padding: Annotated[str, typer.Option(help="valid, same, full or pixels per side, p.")] = (
        "valid"
    ),
    transposed: Annotated[
        bool, typer.Option("--transposed", help="A transposed convolution.")
    ] = False,
    extra: Annotated[
        int, typer.Option(help="Output padding of a transposed convolution, in pixels.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Work out a convolution: o = (n + 2p - f)/s + 1, its parameters and operations."""
    from lenet.models.arithmetic import work_out

    answer = work_out(
        picture, filters, size, stride=stride, padding=padding, transposed=transposed, extra=extra
    )
    if as_json:
        print_json(answer.as_dict())
    else:
        typer.echo(answer.describe())


def filters(
    image: Annotated[
        Path | None,
        typer.Argument(metavar="IMAGE", help="A picture of any size; by default a digit of MNIST."),
    ] = None,
    digit: Annotated[int, typer.Option(min=0, help="Which training image of MNIST.")] = 0,
    to: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path(),
    kind: PictureKind = "png",
    theme: Theme = "light",
    data: Data = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw the classical filters, padding, strides and transposed convolution on a picture."""
    from lenet.figures import style
    from lenet.figures.bank import draw_arithmetic, draw_bank
    from lenet.runs.files import check_output
    from lenet.studies.classical_filters import open_picture

    if image:
        refuse_unused("with a picture of your own", data=data)
    drawings = {to / f"filters.{kind}": draw_bank, to / f"padding.{kind}": draw_arithmetic}
    for path in drawings:
        check_output(path, overwrite=overwrite, inputs=[image] if image else [])
    picture, name = open_picture(image, digit, data)
    with style.applied(theme):
        for path, draw in drawings.items():
            style.save(draw(picture, name), path)
            typer.echo(path)


def robustness(
    runs: Runs,
    images: Annotated[
        int | None, typer.Option(min=10, help="Use this many test images, instead of all.")
    ] = None,
    to: Annotated[Path, typer.Option(help="The picture: png, svg or pdf.")] = Path(
        "robustness.png"
    ),
    theme: Theme = "light",
    data: Data = None,
    overwrite: Overwrite = False,
    as_markdown: Markdown = False,
    as_json: Json = False,
) -> None:
    """Count errors on shifted, rotated, scaled, sheared, noisy, occluded and faded test images."""
    from lenet.evaluation.evaluate_runs import check_alike, open_networks
    from lenet.evaluation.robustness import as_dicts, make_tables, measure_robustness
    from lenet.figures import style
    from lenet.figures.robustness import draw_robustness
    from lenet.runs.files import check_output

    style.check_suffix(to)
    check_output(to, overwrite=overwrite)
    experiments = [list(open_networks([name], "test", "cpu", data)) for name in runs]
    check_alike([seed for seeds in experiments for seed in seeds], "test")
    classifiers = [
        (seeds[0][0].folder.parent.name, [classifier for _, classifier, *_ in seeds])
        for seeds in experiments
    ]
    *_, split = experiments[0][0]
    measurements = measure_robustness(classifiers, split, images)
    with style.applied(theme):
        style.save(draw_robustness(measurements), to)
    if as_json:
        print_json(as_dicts(measurements))
        return
    print_tables(make_tables(measurements), as_markdown)
    say(f"error rates of {measurements[0].n:,} test images, in %; drawn in {to}")
