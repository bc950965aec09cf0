import platform
from pathlib import Path

import pytest

from chinchilla_lib._processor import processor_name


def test_the_processor_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = (
        "processor\t: 0\nmodel\t\t: 143\nmodel name\t: Some CPU @ 2 GHz\ncpu family\t: 6\n\nprocessor\t: 1\n"
    )
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: facts)
    processor_name.cache_clear()
    assert processor_name() == "Some CPU @ 2 GHz, family 6 model 143"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "Features : fp asimd\n")
    processor_name.cache_clear()
    assert processor_name() == (platform.processor() or platform.machine())
    processor_name.cache_clear()
