"""``python -m lenet`` is the command ``lenet``."""

from lenet.cli import app

app(prog_name="lenet")
