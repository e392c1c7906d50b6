#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
"""Print the README's table of results, picked from `lenet reproduce`.

scripts/results.py
"""

import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

TOP = Path(__file__).resolve().parent.parent
OF = 10_000
"""Test images."""
ROWS = {
    ("figure9", "paper/lenet5", False): "LeNet-5 of 1998",
    ("figure9", "paper/lenet5-distorted", False): "LeNet-5 of 1998, distorted images",
    ("figure9", "paper/boosted-lenet4", False): "Boosted LeNet-4 of 1998, distorted images",
    ("records", "modern/lenet5", False): "LeNet-5's shape, trained as today",
    ("records", "modern/lenet5", True): "five of these together",
    ("records", "modern/compact", False): "a deeper network of 58,974 parameters",
    ("records", "modern/compact", True): "five of these together",
}
"""Study, experiment, and whether its seeds are asked together → what the README calls it."""


def main() -> None:
    """Print the table."""
    command = "reproduce figure9 records --no-train --runs runs/published --json"
    printed = subprocess.run(
        [sys.executable, "-m", "lenet", *command.split()],
        cwd=TOP, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    rows = {(row["study"], row["experiment"], row["ensemble"]): row for row in json.loads(printed)}
    print("| network | paper | ours: test errors of 10,000 | accuracy |")
    print("|---|---:|---:|---:|")
    for key, name in ROWS.items():
        errors = rows[key]["errors"]
        ours = str(errors[0]) if len(errors) == 1 else f"{mean(errors):.1f} ± {stdev(errors):.1f}"
        percent = rows[key].get("paper_percent")
        paper = "–" if percent is None else f"{percent * OF / 100:.0f}"
        better = percent is not None and mean(errors) < percent * OF / 100
        print(line(name, paper, ours, better))


def line(network: str, paper: str, errors: str, better: bool) -> str:
    """Return a line of the table; what is better than the paper's is bold."""
    accuracy = 100 - 100 * float(errors.split()[0]) / OF
    return f"| {network} | {paper} | {f'**{errors}**' if better else errors} | {accuracy:.2f} % |"


if __name__ == "__main__":
    main()
