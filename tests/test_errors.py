from chinchilla_lib.errors import InputError, MissingExtraError


def test_a_missing_extra_says_what_to_install() -> None:
    error = MissingExtraError("torch", "train")
    assert isinstance(error, ImportError)
    assert "pip install 'chinchilla-lib[train]'" in str(error)


def test_bad_input_is_a_value_error() -> None:
    assert issubclass(InputError, ValueError)
