import importlib

import pytest

import chinchilla_lib


@pytest.mark.parametrize("name", chinchilla_lib.__all__)
def test_every_public_name_resolves_to_its_home_and_is_documented(name: str) -> None:
    thing = getattr(chinchilla_lib, name)
    home = importlib.import_module(f"chinchilla_lib.{chinchilla_lib._HOME[name]}")
    assert thing is getattr(home, name)
    assert name in home.__all__
    assert thing.__doc__
    assert name in dir(chinchilla_lib)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="fit_everything"):
        chinchilla_lib.fit_everything  # noqa: B018
