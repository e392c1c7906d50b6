"""The transforms' names in configs and in Python are the same."""

import lenet.augment
from lenet.augment.catalogue import AUGMENTATIONS, CONTAINERS, MIXINGS


def test_what_the_package_exports_is_what_a_config_may_name():
    assert AUGMENTATIONS["CLAHE"] is lenet.augment.CLAHE
    assert CONTAINERS.keys() == {"Compose", "RandomApply", "RandomChoice", "RandomOrder"}
    assert MIXINGS.keys() == {"MixUp", "CutMix", "Mosaic"}
    others = {"BatchTransform", "Pipeline", "Mixing"}
    exported = {name for name, made in vars(lenet.augment).items() if isinstance(made, type)}
    assert exported - others == {*AUGMENTATIONS, *CONTAINERS, *MIXINGS}
