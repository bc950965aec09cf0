import doctest
import importlib
import pkgutil

import pytest

import chinchilla_lib

MODULES = [
    module.name
    for module in pkgutil.walk_packages(chinchilla_lib.__path__, "chinchilla_lib.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_print(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples_to_test() -> None:
    attempted = sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES)
    assert attempted >= 20
