"""Tables are listed as they are, though nothing is imported for it."""

from lenet.augment.catalogue import AUGMENTATIONS, CONTAINERS, MIXINGS, PRESETS
from lenet.augment.foreign import LIBRARIES, TORCHVISION
from lenet.cli.look import FOREIGN, PARTS
from lenet.cli.source import read_exports, read_table
from lenet.export import FORMATS
from lenet.figures import COMPARISONS, FIGURES


def test_every_figure_is_listed_and_says_what_it_draws() -> None:
    listed = read_table("lenet.figures", "FIGURES", "COMPARISONS")
    assert list(listed) == [*FIGURES, *COMPARISONS]
    assert all(about.endswith(".") for about in listed.values())
    assert listed["errors"] == FIGURES["errors"].__doc__.partition("\n")[0]


def test_every_transform_is_listed_with_the_first_line_of_its_docstring() -> None:
    exported = read_exports("lenet.augment")
    transforms = AUGMENTATIONS | CONTAINERS | MIXINGS
    assert {*exported} - {*PARTS} == {*transforms}
    for name, made in transforms.items():
        assert exported[name] == made.__doc__.partition("\n")[0]
    presets = read_table("lenet.augment.catalogue", "PRESETS")
    assert presets == {name: made.__doc__.partition("\n")[0] for name, made in PRESETS.items()}


def test_tables_whose_values_are_no_functions_have_their_keys() -> None:
    assert [*read_table(FOREIGN, "TORCHVISION")] == [*TORCHVISION]
    assert [*read_table(FOREIGN, "LIBRARIES")] == [*LIBRARIES]
    assert [*read_table("lenet.export", "FORMATS")] == [*FORMATS]
