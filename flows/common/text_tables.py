"""Text tables for a fixed-width font."""

from collections.abc import Collection, Sequence

Row = Sequence[str]


def aligned(header: Row, body: Sequence[Row], right: Collection[str]) -> str:
    """A line for the header, a rule, and a line for each row. right: the columns whose cells end, and not
    start, under each other."""
    widths = [max(len(line[i]) for line in (header, *body)) for i in range(len(header))]
    rule = tuple("-" * width for width in widths)

    def line(cells: Row) -> str:
        padded = (
            cell.rjust(width) if title in right else cell.ljust(width)
            for cell, width, title in zip(cells, widths, header, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join(map(line, (header, rule, *body)))
