"""What students must not see before they hand in: the lines of a master that are theirs to find."""

from __future__ import annotations

import re

SHORTEST = 40  # shorter lines are anybody's
ANYBODYS = ("failure_message", "import ", "from ")


def hidden_lines(master: str) -> set[str]:
    """Long lines of solutions, of model answers and of hidden tests that stand nowhere in the open.

    Spaces are collapsed.
    """
    found: set[str] = set()
    shown: set[str] = set()
    inside_solution = inside_raw_solution = False
    for cell in re.split(r"^# %%", master, flags=re.MULTILINE):
        head, _, body = cell.partition("\n")
        kind = head.strip()
        if kind == "[raw]":
            if "# # BEGIN SOLUTION" in body:
                inside_raw_solution = True
            if "# # END SOLUTION" in body:
                inside_raw_solution = False
            continue
        hidden_test = re.search(r"^hidden: true$", body, re.MULTILINE) is not None
        written = inside_raw_solution and kind.startswith("[markdown]")
        for line in body.splitlines():
            if "# BEGIN SOLUTION" in line:
                inside_solution = True
            elif "# END SOLUTION" in line:
                inside_solution = False
            elif hidden_test or written or inside_solution or line.endswith("# SOLUTION"):
                bare = collapsed(line.removeprefix("# ") if written else line.removesuffix("# SOLUTION"))
                if len(bare) >= SHORTEST and not bare.startswith(ANYBODYS):
                    found.add(bare)
            else:
                shown.add(collapsed(line))
    return found - shown


def collapsed(text: str) -> str:
    """Text with every run of white space as one space."""
    return re.sub(r"\s+", " ", text).strip()
