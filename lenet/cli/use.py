"""Commands that put trained networks to use."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lenet.cli.app import say
from lenet.cli.completion import complete_format, complete_run, one_of
from lenet.cli.options import Data, Json, Overwrite, print_json, refuse_unused
from lenet.errors import UsageError, count, shell

WAYS = ("line", "marks", "convolution")
"""How `scan` may read a page."""

ARRAYS = (".csv", ".npy", ".npz")
"""Suffixes of files that hold many images."""

RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        autocompletion=complete_run,
        help="A run's folder, a folder of several seeds (an ensemble), or published:NAME.",
    ),
]


def predict(
    run: RunName,
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE", help="Files, folders, globs, or - for standard input."),
    ],
    reject: Annotated[
        float, typer.Option(min=0, max=1, help='Below this probability, say "unsure".')
    ] = 0.0,
    show: Annotated[
        Path | None, typer.Option(help="Write a picture of what the network saw (png, svg, pdf).")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write the answers as a table; IMAGE may be a CSV, NPY or NPZ file."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Read photographs or drawings of single digits, or of your own classes."""
    from lenet.data.pictures import list_pictures

    paths = list_pictures(images)
    if csv is not None:
        from lenet.runs.files import check_output

        check_output(csv, overwrite=overwrite, inputs=paths)
    if any(path.suffix.lower() in ARRAYS for path in paths):
        if len(paths) > 1 or csv is None or show is not None or as_json:
            raise UsageError(
                "the images of a CSV, NPY or NPZ file are read by themselves, into a table:"
                f" {shell('lenet', 'predict', run, paths[0])} --csv out.csv"
            )
        _predict_arrays(run, paths[0], csv)
        return
    if show is not None:
        _check_picture(show, overwrite, paths)
    from lenet.reading.predict import load_ensemble, read_digits

    readings, ensemble = [], load_ensemble(run)
    for reading in read_digits(ensemble, paths, data=ensemble.data):
        readings.append(reading)
        if not as_json:
            typer.echo(reading.describe(reject), err=reading.seen is None)
    if as_json:
        print_json([reading.as_dict(reject) for reading in readings])
    if csv is not None:
        header = ("image", "label", "probability")
        rows = [(r.path, r.label, f"{r.probability:.6f}") for r in readings if r.seen]
        _write_table(csv, header, rows)
    failed = sum(reading.seen is None for reading in readings)
    if show is not None and failed < len(readings):
        from lenet.figures.readings import draw_readings
        from lenet.figures.style import applied, save

        with applied():
            save(draw_readings(readings, reject), show)
        say(f"drawn in {show}")
    if failed:
        say(f"{failed} of {len(readings)} pictures could not be read")
        raise typer.Exit(1)


def _predict_arrays(run: str, path: Path, to: Path) -> None:
    """Write the classes of all images of a file, in the form that Kaggle takes."""
    from lenet.data.arrays import fit_images, read_images
    from lenet.reading.predict import load_ensemble

    ensemble = load_ensemble(run)
    data = ensemble.data
    images = fit_images(read_images(path), data.size, data.channels)
    labels = ensemble(images).argmax(dim=1).tolist()
    rows = [(number, data.classes[label]) for number, label in enumerate(labels, 1)]
    _write_table(to, ("ImageId", "Label"), rows)


def _write_table(to: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    import csv
    import io

    from lenet.runs.files import write_atomically

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomically(to, text.getvalue().encode(errors="surrogateescape"))  # names as they are
    say(f"{count(len(rows), 'answer')} in {to}")


def export(
    run: RunName,
    to: Annotated[
        Path | None, typer.Option("--to", help="The file; by default RUN's folder names it.")
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            help="onnx, torch-export, safetensors, html or c.",
            autocompletion=complete_format,
        ),
    ] = "onnx",
    preprocess: Annotated[
        bool,
        typer.Option(
            "--preprocess",
            help="Put preprocessing and softmax into the graph: pixels in [0, 1], 28 × 28.",
        ),
    ] = False,
    quantize: Annotated[
        str | None,
        typer.Option(help="int8: bring weights and activations to 8 bits (onnx; c always does)."),
    ] = None,
    data: Data = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a trained network for other programs, verified against PyTorch."""
    from lenet.evaluation.classifier import load_classifier
    from lenet.export import FORMATS, Request
    from lenet.runs.files import check_output
    from lenet.runs.find import open_runs

    if kind not in FORMATS:
        raise UsageError(f"no format {kind!r}; there are {', '.join(FORMATS)}")
    if quantize not in (None, "int8"):
        raise UsageError(f"no --quantize {quantize!r}; there is int8")
    if not FORMATS[kind].reads_images(quantize is not None):
        refuse_unused(f"for {kind}, which needs no images", data=data)
    seeds = open_runs(run)
    if len(seeds) > 1:
        folders = ", ".join(str(seed.folder) for seed in seeds)
        raise UsageError(f"{run} holds several runs; export one of {folders}")
    target = FORMATS[kind]
    name = run.removeprefix("published:").strip("./").replace("/", "-")
    path = to or Path(f"{name}{target.suffix}")
    for file in target.files(seeds[0], path):
        check_output(file, overwrite=overwrite, inputs=seeds[0].files())
    classifier = load_classifier(seeds[0])
    say(target.write(Request(seeds[0], classifier, path, preprocess, quantize is not None, data)))
    typer.echo(str(path))


def scan(
    run: RunName,
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE", help="Files, folders, globs, or - for standard input."),
    ],
    way: Annotated[
        str | None,
        typer.Option(
            help="line: read whole lines; marks: cut into connected marks; convolution: slide the"
            " network over the page. By default what RUN learned, line or marks.",
            autocompletion=one_of(*WAYS),
        ),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            metavar="ROWSxCOLUMNS", help="Read the cells of a ruled grid, such as 9x9; . is blank."
        ),
    ] = None,
    show: Annotated[
        Path | None, typer.Option(help="Draw the page with what was read on it (png, svg, pdf).")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Read lines, pages, or ruled grids of digits."""
    from lenet.data.pictures import PictureError, guarded_decoding, list_pictures, read_scaled
    from lenet.reading.grid import parse_shape, scan_grid
    from lenet.reading.lines import scan_lines
    from lenet.reading.predict import load_ensemble
    from lenet.reading.scan import PAGE_SIDE, scan_convolution, scan_marks

    if way not in (None, *WAYS):
        raise UsageError(f"no way {way!r}; there are {', '.join(WAYS)}")
    shape = parse_shape(grid) if grid else None
    if shape and way:
        raise UsageError(f"--grid cuts the page into cells; leave out --way {way}")
    paths = list_pictures(images)
    if show is not None:
        if len(paths) > 1:
            raise UsageError(f"--show draws one page, not {len(paths)}; name one picture")
        _check_picture(show, overwrite, paths)
    ensemble = load_ensemble(run, lines=way in (None, "line") and not shape)
    reads_lines = ensemble.classifiers[0].reads_lines
    if way == "line" and not reads_lines:
        raise UsageError(f"{run} reads single digits; published:line reads lines")
    if ensemble.data.whole_pictures and not reads_lines:
        raise UsageError(
            f"{run} has learned whole pictures, and a page has many: cut it up, then"
            f" {shell('lenet', 'predict', run)} PICTURE..."
        )
    if way == "convolution" and len(ensemble.classifiers) > 1:
        raise UsageError(
            f"one network slides over a page, not {len(ensemble.classifiers)}; name a run"
        )
    pages: list[dict[str, Any]] = []
    for path in paths:
        try:
            with guarded_decoding():
                picture, scale = read_scaled(path, PAGE_SIDE)
            if shape:
                found = scan_grid(ensemble, picture, shape)
            elif reads_lines:
                found = scan_lines(ensemble, picture)
            elif way == "convolution":
                found = scan_convolution(ensemble.classifiers[0], picture)
            else:
                found = scan_marks(ensemble, picture)
        except PictureError as error:
            if len(paths) == 1:
                raise PictureError(f"{path}: {error}") from error
            pages.append({"path": str(path), "error": str(error)})
            if not as_json:
                say(f"{path}: {error}")
            continue
        pages.append({"path": str(path), "lines": found.as_dicts(scale)})
        if not as_json:
            name = f"{path}: " if len(paths) > 1 else ""
            for line in found.text().splitlines():
                typer.echo(name + line)
            if doubts := found.doubts():
                say(name + doubts)
        if show is not None:
            from lenet.figures.scans import draw_scan
            from lenet.figures.style import applied, save

            with applied():
                save(draw_scan(picture, found), show)
            say(f"drawn in {show}")
    if as_json:
        print_json(pages)
    failed = sum("error" in page for page in pages)
    if failed:
        say(f"{failed} of {len(pages)} pictures could not be read")
        raise typer.Exit(1)


def _check_picture(show: Path, overwrite: bool, pictures: list[Path]) -> None:
    """Check, before the work, that a picture can be drawn into a file; see `check_output`."""
    from lenet.figures.style import check_suffix
    from lenet.runs.files import check_output

    check_suffix(show)
    check_output(show, overwrite=overwrite, inputs=pictures)
