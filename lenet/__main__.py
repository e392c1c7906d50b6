"""``python -m lenet`` is the command ``lenet``."""

from lenet.cli import app

if __name__ == "__main__":  # worker processes import this file, too
    app(prog_name="lenet")
