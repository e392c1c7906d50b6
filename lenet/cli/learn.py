"""Commands that explain networks: the lecture, as things to try."""

from pathlib import Path
from typing import Annotated

import typer

from lenet.cli.options import ConfigArgument, Data, Json, Overrides, print_json


def summary(
    config: ConfigArgument,
    overrides: Overrides = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Show a network layer by layer: sizes, weights, connections, work, receptive fields."""
    from lenet import configfile

    source = configfile.load(config, overrides)
    from lenet.experiment import check
    from lenet.network import build_network
    from lenet.summary import summarize_network

    with source.explaining():
        check(source.config)
    size = source.config.input.size
    result = summarize_network(build_network(source.config).model, (1, size, size))
    if as_json:
        print_json(result.as_dict())
    else:
        typer.echo(result.table())


def arithmetic(
    picture: Annotated[
        str, typer.Option("--input", metavar="WxHxMAPS", help="What comes in: 640x480x3.")
    ],
    size: Annotated[int, typer.Option(help="Width and height of the filters in pixels, f.")],
    filters: Annotated[int, typer.Option(help="Number of filters.")] = 1,
    stride: Annotated[int, typer.Option(help="Pixels from one place to the next, s.")] = 1,
    padding: Annotated[str, typer.Option(help="valid, same, full or pixels per side, p.")] = (
        "valid"
    ),
    transposed: Annotated[
        bool, typer.Option("--transposed", help="A transposed convolution.")
    ] = False,
    extra: Annotated[
        int, typer.Option(help="Pixels more at the far end, of a transposed one.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Work out a convolution: o = (n + 2p - f)/s + 1, its weights and its work."""
    from lenet.arithmetic import work_out

    answer = work_out(
        picture, filters, size, stride=stride, padding=padding, transposed=transposed, extra=extra
    )
    if as_json:
        print_json(answer.as_dict())
    else:
        typer.echo(answer.describe())


def filters(
    image: Annotated[
        Path | None, typer.Argument(help="A picture of any size; without one, a digit is taken.")
    ] = None,
    digit: Annotated[int, typer.Option(min=0, help="Which training image of MNIST.")] = 0,
    to: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path(),
    kind: Annotated[str, typer.Option("--format", help="png, svg or pdf.")] = "png",
    theme: Annotated[str, typer.Option(help="light or dark.")] = "light",
    data: Data = None,
) -> None:
    """Draw the classical filters, padding, strides and transposed convolution on a picture."""
    from lenet.figures import style
    from lenet.figures.bank import draw_arithmetic, draw_bank
    from lenet.filters import open_picture

    picture, name = open_picture(image, digit, data)
    with style.applied(theme):
        for file, draw in (("filters", draw_bank), ("padding", draw_arithmetic)):
            path = to / f"{file}.{kind}"
            style.save(draw(picture, name), path)
            typer.echo(path)
