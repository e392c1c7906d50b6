# ruff: noqa: E501
"""The surface of the command line, so that no option comes or goes unnoticed."""

from typing import Any

import typer

from lenet.cli import app

SURFACE = {
    "": "--debug --install-completion --show-completion --version",
    "arithmetic": "--extra --filters --input --json --padding --size --stride --transposed",
    "augment": "--data --out --overwrite --runs --set --theme",
    "bench augment": "--data --json --markdown --rounds",
    "bench chip": "--data --json --markdown",
    "bench paper": "--json --markdown --rounds",
    "bench scale": "--data --json --markdown --rounds",
    "bench profile": "--data --device --json --markdown --set",
    "bench train": "--data --json --markdown --rounds",
    "compare": "--data --device --json --markdown --overwrite --show --split",
    "config copy": "",
    "config list": "--json",
    "config schema": "",
    "config show": "--json --origins --set",
    "config validate": "--set",
    "dashboard": "--host --port",
    "data fetch": "--to",
    "data list": "--data --json",
    "data verify": "--data",
    "evaluate": "--data --device --draws --ensemble --json --markdown --overwrite --reliability --show --split --suspects",
    "export": "--data --format --overwrite --preprocess --quantize --to",
    "figures": "--class --data --device --format --image --overwrite --theme --to",
    "filters": "--data --digit --format --overwrite --theme --to",
    "predict": "--csv --json --overwrite --reject --show",
    "publish": "--name --overwrite --to --without-weights",
    "reproduce": "--data --format --jobs --json --markdown --no-train --overwrite --runs --seeds --set --theme --to --train",
    "resume": "--data --device --json",
    "robustness": "--data --images --json --markdown --overwrite --theme --to",
    "runs": "--json --markdown --sort",
    "scan": "--grid --json --overwrite --show --way",
    "summary": "--json --set",
    "sweep": "--data --device --jobs --json --name --runs --seed --set --silence --space --storage --trials --worker",
    "train": "--data --device --from --json --name --overwrite --resume --runs --seed --seeds --set",
    "verify-resume": "--data --device --json --kills --seed --set",
}
"""Command → its options, in order of the alphabet."""


def commands(command: Any) -> list[Any]:
    """Return a command and all in its group."""
    members = getattr(command, "commands", {}).values()
    return [command, *(found for member in members for found in commands(member))]


def surface(command: Any, name: str = "") -> dict[str, str]:
    """Return the options of a command and of those in its group."""
    names = [*(option for p in command.params for option in [*p.opts, *p.secondary_opts])]
    options = sorted(n for n in names if n.startswith("-") and n != "--help")
    group = getattr(command, "commands", {})
    found = {} if group and name else {name: " ".join(options)}
    for word, member in group.items():
        found |= surface(member, f"{name} {word}".strip())
    return found


def test_the_commands_and_their_options_are_these() -> None:
    assert surface(typer.main.get_command(app)) == SURFACE


def test_what_lists_or_evaluates_can_print_json() -> None:
    listing = ("evaluate", "runs", "compare", "summary", "data list", "config list")
    assert [name for name in listing if "--json" not in SURFACE[name].split()] == []


def test_help_texts_have_no_line_breaks_within_a_paragraph() -> None:
    for command in commands(typer.main.get_command(app)):
        assert "\n" not in (command.help or "").strip().replace("\n\n", ""), command.help


def test_arguments_are_named_in_capitals_whose_dots_typer_adds() -> None:
    for command in commands(typer.main.get_command(app)):
        for argument in command.params:
            if argument.param_type_name == "argument":
                assert (argument.metavar or "").isupper(), argument.name
                assert "..." not in argument.metavar
