"""The command line: parse, call one function, print.

Results go to standard output, progress and messages to standard error. Exit codes: 0 done,
1 failed, 2 wrong usage or config, 130 stopped by Ctrl-C, 143 by `kill`. torch is imported inside
the commands that need it, so that help comes at once.
"""

from lenet.cli import data, learn, look, manage, paper, sweep, train, use
from lenet.cli.app import app

TRAIN, LOOK, LEARN, USE, MANAGE = "Train", "Look", "Learn", "Use", "Manage"

app.command(rich_help_panel=TRAIN)(train.train)
app.command(rich_help_panel=TRAIN)(train.resume)
app.command(rich_help_panel=TRAIN)(train.evaluate)
app.command(rich_help_panel=TRAIN, cls=paper.ReproduceCommand)(paper.reproduce)
app.command(rich_help_panel=TRAIN)(sweep.sweep)
app.command(rich_help_panel=LOOK)(look.runs)
app.command(rich_help_panel=LOOK)(look.figures)
app.command(rich_help_panel=LOOK)(look.dashboard)
app.command(rich_help_panel=LOOK)(paper.compare)
app.command(rich_help_panel=LOOK)(look.augment)
app.command(rich_help_panel=LEARN)(learn.summary)
app.command(rich_help_panel=LEARN)(learn.arithmetic)
app.command(rich_help_panel=LEARN)(learn.filters)
app.command(rich_help_panel=LEARN)(learn.robustness)
app.command(rich_help_panel=USE)(use.predict)
app.command(rich_help_panel=USE)(use.scan)
app.command(rich_help_panel=USE)(use.export)
app.command(rich_help_panel=MANAGE)(train.verify_resume)
app.command(rich_help_panel=MANAGE)(manage.publish)
app.add_typer(data.app, name="data", rich_help_panel=MANAGE)
app.add_typer(manage.config, name="config", rich_help_panel=MANAGE)
app.add_typer(manage.bench, name="bench", rich_help_panel=MANAGE)

__all__ = ["app"]
