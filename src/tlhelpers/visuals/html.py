"""What every output of the helpers is: HTML for a page, plain text for a terminal.

Colours are CSS variables, because the reader switches between light and dark long after the page
was executed.
"""

from __future__ import annotations

# name: (on a light page, on a dark page). The hues are Okabe and Ito's (2008), told apart with any
# kind of colour vision; lightness is moved until each reaches 4.5:1 as text on white and on
# #383838, Colab's dark page, the lightest of the dark ones. tests/visuals/test_html.py measures it.
PALETTE: dict[str, tuple[str, str]] = {
    "blue": ("#0069a6", "#62bdf0"),
    "orange": ("#b34700", "#ff9d5c"),
    "green": ("#007a58", "#2fc79b"),
    "purple": ("#a13d76", "#eaa6cc"),
    "gold": ("#856000", "#e8b62c"),
    "grey": ("#5c636b", "#b3bac2"),
}
INK = ("#1b1f24", "#e4e8ec")
GRID = ("#d5d9de", "#4b5157")

# How each home of a notebook says that its page is dark: Jupyter Book, JupyterLab, Colab, VS Code.
_DARK_PAGES = (
    'html[data-theme="dark"]',
    'body[data-jp-theme-light="false"]',
    'html[theme="dark"]',
    "body.vscode-dark",
)


def _variables(side: int) -> str:
    colours = {"ink": INK, "grid": GRID, **PALETTE}
    return "".join(f"--tl-{name}:{pair[side]};" for name, pair in colours.items())


def style() -> str:
    """Give the style sheet that every output carries, so that each stands alone.

    Returns
    -------
    str
        A ``<style>`` element; all its rules are scoped to the class ``tl``.
    """
    dark = ",".join(f"{page} .tl" for page in _DARK_PAGES)
    # Jupyter Book puts a light card behind HTML outputs of a dark page: ours are dark themselves.
    no_card = "div.cell_output .text_html:has(>.tl)"
    return (
        "<style>"
        f".tl{{{_variables(0)}color:var(--tl-ink);max-width:100%;margin:.5em 0;line-height:1.4}}"
        f"{dark}{{{_variables(1)}}}"
        f"{no_card}{{background:none!important;color:inherit!important;padding:0!important}}"
        ".tl svg{display:block;width:100%;max-width:36rem;height:auto;fill:currentColor}"
        ".tl svg text{font-family:system-ui,-apple-system,'Segoe UI',Arial,sans-serif!important}"
        ".tl .tl-scroll{overflow-x:auto;max-width:100%}"
        ".tl table{border-collapse:collapse;margin:0;font-size:.9em;color:inherit;"
        "background:none;border:0;table-layout:auto;width:auto}"
        ".tl caption{caption-side:top;text-align:left;font-weight:600;padding:.3em 0;color:inherit}"
        ".tl caption div{max-width:min(36rem,80vw)}"  # not cut where a wide table scrolls
        ".tl :is(thead,tbody,tr){background:none!important;color:inherit;border:0}"
        ".tl :is(th,td){padding:.3em .7em;text-align:left;vertical-align:top;border:0;"
        "border-bottom:1px solid var(--tl-grid);background:none!important;color:inherit;"
        "white-space:normal;max-width:none}"
        ".tl :is(th,td).tl-n{text-align:right;font-variant-numeric:tabular-nums}"
        ".tl td.tl-long{min-width:14em}"
        ".tl mark{color:inherit;border-radius:.2em;padding:.05em .15em}"
        ".tl .tl-legend{font-size:.85em;margin-top:.4em}"
        ".tl pre{white-space:pre-wrap;margin:0;color:inherit;background:none}"
        "</style>"
    )


class Html:
    """Something to look at: HTML where the reader has a page, plain text where not.

    Parameters
    ----------
    body : str
        HTML without a style sheet of its own; whatever was text in it is escaped already.
    text : str
        The same for a terminal and for a test.
    """

    def __init__(self, body: str, text: str) -> None:
        """Keep both forms."""
        self.body = body
        self.text = text

    def __repr__(self) -> str:
        """Show the plain text."""
        return self.text

    def _repr_html_(self) -> str:
        return f'<div class="tl">{style()}{self.body}</div>'
