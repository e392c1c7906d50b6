#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
"""Print the README's table of results, picked from `lenet reproduce` and `lenet records`.

scripts/results.py
"""

import json
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
OF = 10_000
"""Test images."""
REPRODUCED = {
    "lenet5": "LeNet-5 of 1998",
    "lenet5-distorted": "LeNet-5 of 1998, distorted images",
    "boosted-lenet4": "Boosted LeNet-4 of 1998, distorted images",
}
"""Rows of the paper's Figure 9."""
RECORDED = {
    "the same, 61,706 weights, any training": "LeNet-5's shape, trained as today",
    "ensemble of these LeNet-5s": "five of these together",
    "another network of at most 60,000 weights": "a deeper network of 58,974 parameters",
    "ensemble of these": "five of these together",
}
"""Lines of the record table that the paper has no counterpart of."""


def main() -> None:
    """Print the table."""
    print("| network | paper | ours: test errors of 10,000 | accuracy |")
    print("|---|---:|---:|---:|")
    rows = json.loads(
        lenet("reproduce", "--no-train", *REPRODUCED, "--runs", "runs/published", "--json")
    )
    for row in sorted(rows, key=lambda row: list(REPRODUCED).index(row["row"])):
        paper, ours, sd = (
            row[key] * OF / 100 for key in ("paper_percent", "mean_percent", "sd_percent")
        )
        print(line(REPRODUCED[row["row"]], f"{paper:.0f}", f"{ours:.1f} ± {sd:.1f}", ours < paper))
    for record in lenet("records").splitlines():
        what, _, errors, *_ = record.strip("|").split("|")
        if what.strip() in RECORDED:
            print(line(RECORDED[what.strip()], "–", errors.strip(), False))


def lenet(*arguments: str) -> str:
    """Return what a command prints."""
    command = [sys.executable, "-m", "lenet", *arguments]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout


def line(network: str, paper: str, errors: str, better: bool) -> str:
    """Return a line of the table; what is better than the paper's is bold."""
    accuracy = 100 - 100 * float(errors.split()[0]) / OF
    return f"| {network} | {paper} | {f'**{errors}**' if better else errors} | {accuracy:.2f} % |"


if __name__ == "__main__":
    main()
