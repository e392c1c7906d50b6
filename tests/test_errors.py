"""Advice on unknown words."""

from lenet.errors import nearest


def test_the_nearest_known_word_is_suggested() -> None:
    assert nearest("epoch", ["lr", "epochs"]) == "did you mean 'epochs'?"
    assert nearest("Blur", ["RandomBlurs"], prefix="kornia.") == "it is one of RandomBlurs"
    assert nearest("Blurs", ["Blur"], prefix="kornia.") == "did you mean 'kornia.Blur'?"


def test_without_a_near_word_all_are_listed_or_what_the_caller_says() -> None:
    assert nearest("xyz", ["lr", "epochs"]) == "it is one of lr, epochs"
    assert nearest("xyz", ["lr", "epochs"], "see `lenet config list`") == "see `lenet config list`"
