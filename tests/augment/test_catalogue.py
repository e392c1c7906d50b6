"""The transforms' names in configs and in Python are the same."""

import lenet.augment
from lenet.augment.catalogue import AUGMENTATIONS, CONTAINERS, MIXINGS


def test_every_transform_that_a_config_may_name_is_exported_under_its_name():
    for name, transform in {**AUGMENTATIONS, **CONTAINERS, **MIXINGS}.items():
        assert name in lenet.augment.__all__
        assert getattr(lenet.augment, name) is transform
