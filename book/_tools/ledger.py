"""The ledger of claims: what the executed notebooks settled, as a page, and as a file to hold it against."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import nbformat

from book._tools.notebooks import outputs_of
from book._tools.project import BuildError, Project, say
from chinchilla_lib.notebook import CLAIM_KEY
from chinchilla_lib.reference.claims import BASES, Claim, Settled, format_figure, load_claims

PAGE = "book/ledger.md"
RECORD = "book/ledger.csv"
PLACE = "% ledger\n"
SOME = re.compile(r"^% claims (.+)\n", re.MULTILINE)
TITLES: Mapping[str, str] = {
    "abstract": "Abstract and introduction",
    "counting": "Parameters and FLOPs",
    "training": "Data and training",
    "frontier": "The frontier: three approaches",
    "comparison": "Kaplan, Gopher and Chinchilla",
    "evaluation": "Evaluation, bias and toxicity",
    "misprints": "Where the paper disagrees with itself",
    "popular": "What is said of the paper",
}
OUTCOMES = {"agrees": "hold", "differs": "do not", "open": "open", "none": "not reproducible here"}


def collect(project: Project) -> dict[str, Settled]:
    """Every claim with the verdict of the executed notebooks, in the order of the ledger.

    Raises
    ------
    BuildError
        If a claim is settled nowhere, twice, in another chapter than it says, or its figure is gone.
    """
    claims, found, wrong = load_claims(), dict[str, Settled](), list[str]()
    for chapter in project.notebook_names():
        document = nbformat.read(outputs_of(project, chapter)[0], as_version=4)
        drawn = "\n".join(cell.source for cell in document.cells if _has_picture(cell))
        for name, value, interval in _records(document):
            if name not in claims or claims[name].chapter != chapter:
                wrong.append(f"{chapter} settles {name}, which the ledger does not have there")
                continue
            if name in found:
                wrong.append(f"{chapter} settles {name} twice")
            if claims[name].figure not in drawn:
                wrong.append(f"{chapter} has no picture by {claims[name].figure}, which shows {name}")
            found[name] = claims[name].settle(value, interval)
    for claim in claims.values():
        if claim.basis == "none":
            found[claim.id] = Settled(claim, "none")
        elif claim.id not in found:
            wrong.append(f"{claim.chapter} does not settle {claim.id}")
    if wrong:
        raise BuildError("\n".join(["the ledger and the notebooks disagree:", *wrong]))
    return {name: found[name] for name in claims}


def fill(project: Project, pages: dict[str, bytes]) -> None:
    """Put rows of the ledger into staged pages, where these have its marks.

    A line ``% ledger`` becomes the whole of it, and ``% claims NAME NAME`` a table of these claims.

    Raises
    ------
    BuildError
        As for `collect`; if a page names an unknown claim.
    """
    settled: dict[str, Settled] = {}

    def some(match: re.Match[str]) -> str:
        names = match[1].split()
        if unknown := [name for name in names if name not in settled]:
            raise BuildError(f"a page names claims that the ledger does not have: {', '.join(unknown)}")
        return _table([settled[name] for name in names], brief=True)

    for name in [name for name in pages if name.endswith(".md")]:
        text = pages[name].decode()
        if PLACE not in text and not SOME.search(text):
            continue
        settled = settled or collect(project)
        text = text.replace(PLACE, _rows_page(list(settled.values())))
        pages[name] = SOME.sub(some, text).encode()


def write_record(project: Project) -> None:
    """Write down what the notebooks settled, for the test that notices when a number moves."""
    path = project.root / RECORD
    path.write_text(record_of(collect(project)), encoding="utf-8")
    say(f"ledger: wrote {RECORD}")


def record_of(settled: Mapping[str, Settled]) -> str:
    """The figures as CSV, one claim a row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["claim", "value", "low", "high", "verdict"])
    for name, row in settled.items():
        numbers = (row.value, *(row.interval or (None, None)))
        writer.writerow([name, *("" if n is None else f"{n:.9g}" for n in numbers), row.verdict])
    return out.getvalue()


def drift(record: Path, settled: Mapping[str, Settled]) -> list[str]:
    """Claims whose figure or verdict is no longer what the record says.

    A figure may move by a tenth of its interval's width, or by the sixth digit where it has none:
    another machine sums in another order.
    """
    with record.open(encoding="utf-8", newline="") as file:
        known = {row["claim"]: row for row in csv.DictReader(file)}
    moved = [f"{name}: not in {record.name}" for name in settled.keys() - known.keys()]
    moved += [f"{name}: in {record.name} only" for name in known.keys() - settled.keys()]
    for name in settled.keys() & known.keys():
        row, was = settled[name], known[name]
        if row.verdict != was["verdict"]:
            moved.append(f"{name}: {row.verdict}, was {was['verdict']}")
        if row.value is None:
            continue
        low, high = row.interval or (row.value, row.value)
        allowed = max(0.1 * (high - low), 1e-6 * abs(row.value))
        if not was["value"] or abs(row.value - float(was["value"])) > allowed:
            moved.append(f"{name}: {row.value:.9g}, was {was['value']}")
    return sorted(moved)


def _has_picture(cell: nbformat.NotebookNode) -> bool:
    kinds = (kind for output in cell.get("outputs", []) for kind in output.get("data", {}))
    return any(kind.startswith("image/") for kind in kinds)


def _records(document: nbformat.NotebookNode) -> list[tuple[str, float, tuple[float, float] | None]]:
    outputs = (output for cell in document.cells for output in cell.get("outputs", []))
    kept = (output.metadata[CLAIM_KEY] for output in outputs if CLAIM_KEY in output.get("metadata", {}))
    return [(r["id"], r["value"], tuple(r["interval"]) if r["interval"] else None) for r in kept]


def _rows_page(rows: list[Settled]) -> str:
    """Counts, a choice of verdicts, and a table for each part."""
    counts = {outcome: [row for row in rows if row.outcome == outcome] for outcome in OUTCOMES}
    verdicts = {row.verdict: 0 for outcome in counts.values() for row in outcome}
    for row in rows:
        verdicts[row.verdict] += 1
    bar = "".join(
        f'<span class="claim-{outcome}" style="flex-grow: {len(found)}">{len(found)}</span>'
        for outcome, found in counts.items()
        if found
    )
    choices = "".join(
        f'<label><input type="checkbox" name="ledger" value="{html.escape(verdict)}" checked> '
        f"{html.escape(verdict)} ({n})</label>"
        for verdict, n in verdicts.items()
    )
    shares = ", ".join(f"{len(found)} {OUTCOMES[outcome]}" for outcome, found in counts.items())
    text = [
        f"{len(rows)} claims: {shares}.\n",
        _raw(
            f'<div class="ledger-bar" role="img" aria-label="{shares}">{bar}</div>'
            f'<fieldset class="ledger-choice" hidden><legend>Show</legend>{choices}</fieldset>'
            '<script defer src="../_static/ledger.js"></script>'
        ),
    ]
    for part, members in groupby(rows, key=lambda row: row.claim.part):
        text.append(f"(ledger-{part})=\n## {TITLES[part]}\n\n{_table(list(members))}")
    return "\n".join(text)


def _table(rows: list[Settled], *, brief: bool = False) -> str:
    source = _source(rows[0])
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Claim", source, "Here", "Verdict"))
    body = "".join(_row(row, brief=brief) for row in rows)
    return _raw(f'<table class="ledger"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')


def _row(row: Settled, *, brief: bool) -> str:
    """A row; a brief one leaves out the tolerance, and the name that the ledger's page has for links."""
    claim = row.claim
    verdict = html.escape(row.verdict)
    if claim.chapter:
        verdict = f'<a href="../notebooks/{claim.chapter}.html#claim-{claim.id}">{verdict}</a>'
    name = "" if brief else f' id="{claim.id}" data-verdict="{html.escape(row.verdict)}"'
    figure, *interval = html.escape(row.ours).split(" (")
    ours = " ".join([figure, *(f'<span class="ledger-interval">({ends}</span>' for ends in interval)])
    how = "" if brief else f"<small>{html.escape(_how(claim))}</small>"
    text = f'<span class="ledger-where">{html.escape(claim.where)}</span> {html.escape(claim.text)}{how}'
    return (
        f'<tr{name} class="claim-{row.outcome}"><td>{text}</td>'
        f'<td data-label="{_source(row)}">{html.escape(row.paper)}</td>'
        f'<td data-label="Here">{ours}</td>'
        f"<td>{verdict}</td></tr>"
    )


def _source(row: Settled) -> str:
    return "Said" if row.claim.part == "popular" else "Paper"


def _how(claim: Claim) -> str:
    if claim.basis == "none":
        return f"{claim.reason[0].upper()}{claim.reason[1:]}."
    return f"{BASES[claim.basis].capitalize()}. Tolerance {format_figure(claim.tolerance)}: {claim.reason}."


def _raw(text: str) -> str:
    return f"```{{raw}} html\n{text}\n```\n"
