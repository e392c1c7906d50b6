"""TensorBoard's view of runs; never the source of a number.

events.py   what a run writes while it trains and when it ends
pictures.py the figures, curves and codes of a finished run
seeds.py    mean ± sd over the seeds of an experiment
server.py   TensorBoard itself, with the right options
"""

from lenet.dashboard.events import Dashboard

__all__ = ["Dashboard"]
