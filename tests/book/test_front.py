import re

from book._tools import front


def test_the_picture_is_the_same_each_time_and_holds_no_other_host() -> None:
    first = front.draw()
    front.draw.cache_clear()
    assert front.draw() == first
    text = first.decode()
    assert text.count("<svg") == 1
    assert not re.search(r'(href|src)="https?:', text)
