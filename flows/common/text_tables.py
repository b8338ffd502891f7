"""Tables for people: text for a fixed-width font, and Markdown that can be read as it is, too."""

from collections.abc import Collection, Sequence

from metrics.shown_text import in_one_line

Row = Sequence[str]

# A column of longer texts is padded to its title alone: of lines that wrap nothing stands under each other.
_LONGEST_PADDED = 60


def aligned(header: Row, body: Sequence[Row], right: Collection[str]) -> str:
    """A line for the header, a rule, and a line for each row. right: the columns whose cells end, and not
    start, under each other."""
    rows = [[in_one_line(cell) for cell in row] for row in body]
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    rule = ["-" * width for width in widths]
    ends = [title in right for title in header]
    return "\n".join("  ".join(_padded(cells, widths, ends)).rstrip() for cells in (header, rule, *rows))


def markdown(header: Row, body: Sequence[Row], right: Collection[str] = ()) -> str:
    """The same as a Markdown table; a `|` in a cell is one of its text."""
    rows = [[in_one_line(cell).replace("|", "\\|") for cell in row] for row in body]
    widest = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    widths = [
        max(len(title), 3) if width > _LONGEST_PADDED else max(width, 3)
        for title, width in zip(header, widest, strict=True)
    ]
    ends = [title in right for title in header]
    rule = [f"{'-' * (width - end)}{':' * end}" for width, end in zip(widths, ends, strict=True)]
    return "\n".join(f"| {' | '.join(_padded(cells, widths, ends))} |" for cells in (header, rule, *rows))


def _padded(cells: Row, widths: Sequence[int], ends: Sequence[bool]) -> list[str]:
    """ends: whether a cell ends, and not starts, its column."""
    return [
        cell.rjust(width) if end else cell.ljust(width)
        for cell, width, end in zip(cells, widths, ends, strict=True)
    ]
