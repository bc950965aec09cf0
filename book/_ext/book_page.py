"""Small repairs of the pages that Jupyter Book 1 writes."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


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


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the repairs."""
    app.connect("html-page-context", drop_live_code_scripts, priority=900)
    app.connect("html-page-context", drop_list_role)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
