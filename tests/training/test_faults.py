import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fault_runs.py"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


def fail(*options: str) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kinds: no differences" in done.stdout


def test_a_file_operation_that_fails_costs_a_run_nothing_in_the_end() -> None:
    fail("--sample", "3")


@pytest.mark.slow
@pytest.mark.parametrize("seeds", ["1", "2"])
def test_hardly_any_file_operation_that_fails_costs_a_run_anything(seeds: str) -> None:
    fail("--sample", "100", "--seeds", seeds)
