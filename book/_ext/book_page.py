"""Small repairs of the pages that Jupyter Book 1 writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

SIGNS = {"approx": "≈", "propto": "∝", "times": "×", "alpha": "α", "beta": "β", "le": "≤", "ge": "≥"}
ICON_SCRIPT = re.compile(r'<script src="[^"]*/scripts/fontawesome\.js[^"]*"></script>\s*')


def drop_live_code_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], _: object) -> None:
    """Drop Thebe, which Jupyter Book declares twice on every page and which this book does not use."""

    def is_live_code(script: Any) -> bool:
        body = getattr(script, "attributes", {}).get("body") or ""
        return "THEBE_JS_URL" in body or "sphinx-thebe" in str(getattr(script, "filename", ""))

    context["script_files"] = [s for s in context.get("script_files", []) if not is_live_code(s)]


def drop_list_role(app: Sphinx, page: str, template: str, context: dict[str, Any], _: object) -> None:
    """Drop a role from bibliographies whose children do not have the role that it demands."""
    if "body" in context:
        context["body"] = context["body"].replace(
            '<div role="list" class="citation-list">', '<div class="citation-list">'
        )


def write_formulas_plainly(app: Sphinx, page: str, template: str, context: dict[str, Any], _: object) -> None:
    """Write formulas in the page's first words, which other sites show, without TeX's commands."""
    plain = re.sub(r"\\(?:mathrm|text|left|right)\b|\\[,;! ]", "", context.get("metatags", ""))
    plain = re.sub(r"\\(?!frac)([a-z]+)", lambda found: SIGNS.get(found[1], found[1]), plain)
    plain = re.sub(r"([_^])\{([^{}]*)\}", r"\1\2", plain)
    plain = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"\1/\2", plain)
    plain = re.sub(r"\\frac|[{}]", "", plain)
    context["metatags"] = plain


def drop_icon_script(app: Sphinx, error: Exception | None) -> None:
    """Drop the theme's 1.5 MB of icons as a script: its fonts hold the icons, too."""
    for path in Path(app.outdir).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        path.write_text(ICON_SCRIPT.sub("", text), encoding="utf-8")
    (Path(app.outdir) / "_static/scripts/fontawesome.js").unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the repairs."""
    app.connect("html-page-context", drop_live_code_scripts, priority=900)
    app.connect("html-page-context", drop_list_role)
    app.connect("html-page-context", write_formulas_plainly, priority=900)
    app.connect("build-finished", drop_icon_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
