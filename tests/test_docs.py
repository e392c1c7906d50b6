"""The documents say what is true: commands, files and links exist, and the site builds."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lenet.cli import app
from lenet.figures import COMPARISONS, FIGURES

TOP = Path(__file__).parent.parent
DOCUMENTS = [TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").glob("*.md"))]
OTHER_SPELLING = re.compile(
    r"(?:\w(?:al|an|ar|er|gn|im|nt|on|or)is(?:e[drs]?|ing|ations?)|\blearn[t]|anti[c]lockwise)\b",
    re.IGNORECASE,
)
"""We write colour, but normalize (as PyTorch's names do), learned, and counterclockwise."""


def commands() -> list[str]:
    """Return the commands in the documents' shell blocks and configs' headers."""
    found = []
    for document in DOCUMENTS:
        for block in re.findall(
            r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL
        ):
            found += [line.split(" #")[0].strip() for line in block.splitlines()]
    for config in (TOP / "configs").rglob("*.yaml"):
        found += re.findall(r"^# Command: (.*)$", config.read_text(encoding="utf-8"), re.MULTILINE)
    return sorted({command for command in found if command})


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 40


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len((TOP / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_words_are_spelled_in_one_way() -> None:
    written = [TOP / "LOG.md", TOP / "CHANGELOG.md", *(TOP / "configs").rglob("*.yaml")]
    for folder in ("lenet", "tests", "scripts"):
        for suffix in ("py", "js", "html"):
            written += (TOP / folder).rglob(f"*.{suffix}")
    for path in [*DOCUMENTS, *written]:
        found = OTHER_SPELLING.findall(path.read_text(encoding="utf-8", errors="ignore"))
        assert not found, f"{path}: {found}"


def test_a_picture_is_on_the_readmes_first_screen() -> None:
    before, _, _ = (TOP / "README.md").read_text(encoding="utf-8").partition("![")
    assert len(before.splitlines()) < 12


def test_the_readmes_speeds_are_those_of_the_measured_table() -> None:
    measured = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (TOP / "docs" / "augmentation.md").read_text(encoding="utf-8").splitlines()
    ]
    _, _, section = (
        (TOP / "README.md").read_text(encoding="utf-8").partition("| transform | ours |")
    )
    rows = section.partition("\n\n")[0].splitlines()[2:]
    assert len(rows) == 4
    for row in rows:
        name, ours, torchvision, kornia = (cell.strip() for cell in row.split("|")[1:-1])
        assert [name, ours, torchvision, kornia] in [
            [m[0], m[1], m[3], m[5]] for m in measured if len(m) == 6
        ]


def test_every_page_is_in_the_table_of_contents() -> None:
    index = (TOP / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (TOP / "docs").glob("*.md"):
        assert page.name == "index.md" or f"]({page.name})" in index, page.name


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    if importlib.util.find_spec("material") is None:
        pytest.skip("needs mkdocs-material, of the extra docs")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=TOP,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "index.html").is_file()
    assert (tmp_path / "LOG" / "index.html").is_file()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CITATION.cff"])
def test_a_file_that_people_look_for_is_there(name: str) -> None:
    assert (TOP / name).is_file()


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("lenet ")])
def test_a_documented_command_exists_with_its_options(command: str) -> None:
    words = shlex.split(command)[1:]
    names = []
    for word in words:  # the command's own name is one word, or two in a group
        if word.startswith("-") or len(names) == 2:
            break
        names.append(word)
    help_text = CliRunner().invoke(app, [*names[:2], "--help"], env={"COLUMNS": "200"})
    assert help_text.exit_code == 0, help_text.output
    for option in (word.split("=")[0] for word in words if word.startswith("--")):
        assert option in help_text.output, option


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("scripts/")])
def test_a_documented_script_exists(command: str) -> None:
    script = TOP / command.split()[0]
    assert script.is_file()
    assert script.stat().st_mode & 0o111


def test_every_linked_file_exists() -> None:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#]+)", text) + re.findall(r'src="([^"]+)"', text):
            if "://" not in link:
                assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_gallery_shows_every_figure_and_the_command_that_drew_it() -> None:
    gallery = (TOP / "docs" / "gallery.md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\((images/[^)]+)\)", gallery)
    assert {Path(path).stem for path in shown} == {*FIGURES, *COMPARISONS}
    drawn = set()
    for words in map(shlex.split, re.findall(r"^lenet figures .*$", gallery, re.MULTILINE)):
        named = [word for word in words if word in FIGURES | COMPARISONS]
        drawn |= {f"{words[words.index('--to') + 1]}/{name}.png" for name in named or FIGURES}
    if re.search(r"^lenet reproduce ladder .*--to", gallery, re.MULTILINE):
        drawn.add("docs/images/ladder.png")  # the same figure, with the names of the steps
    assert {f"docs/{path}" for path in shown} <= drawn
