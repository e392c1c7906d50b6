"""Experiments made of several runs: train what is missing, tabulate what is there."""
