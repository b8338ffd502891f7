"""What a terminal would act on is written out; what people read stays as it is."""

import pytest

from metrics.shown_text import in_lines, in_one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("invoice\u202egnp.exe", r"invoice\u202egnp.exe"),
        ("one\nfailed: none\rtwo\tthree", "one failed: none two three"),
        ("\x9b31m\x00\x7f\u2028\ud800", "\\x9b31m\\x00\\x7f \\ud800"),
        ("\u2066\u200b\ufeff", r"\u2066\u200b\ufeff"),
    ],
)
def test_what_moves_cursors_or_turns_lines_is_written_out(text: str, shown: str) -> None:
    assert in_one_line(text) == shown
    assert in_one_line(shown) == shown


@pytest.mark.parametrize("text", ["", "acc ± 0.1 ↑", "日本語, العربية", "می\u200cخواهم", "👩\u200d👩"])  # noqa: RUF001  # Persian
def test_what_people_read_stays(text: str) -> None:
    assert in_one_line(text) == in_lines(text) == text


def test_lines_stay_lines() -> None:
    assert in_lines("one\n  two\x1b\n") == "one\n  two\\x1b\n"
