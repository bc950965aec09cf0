import pickle

from chinchilla_lib.errors import InputError, MissingExtraError


def test_a_missing_extra_says_what_to_install() -> None:
    error = MissingExtraError("torch", "train")
    assert isinstance(error, ImportError)
    assert "pip install 'chinchilla-lib[train]'" in str(error)


def test_bad_input_is_a_value_error() -> None:
    assert issubclass(InputError, ValueError)


def test_a_message_is_one_line_whatever_a_file_says() -> None:
    error = InputError("column 'a\nb\x1b[2J\u2028\udc80' is unknown")
    assert str(error) == r"column 'a\nb\x1b[2J\u2028\udc80' is unknown"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
