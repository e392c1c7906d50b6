"""Commands that explain networks: the lecture, as things to try."""

from typing import Annotated

import typer

from lenet.cli.options import ConfigArgument, Json, Overrides, print_json


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
