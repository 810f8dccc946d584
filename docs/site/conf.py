"How Sphinx makes the site. tools/website.py gathers its pages and runs it."

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

project = "rsna_cls"
author = "The rsna_cls developers"
language = "en"

extensions = ["myst_parser"]
exclude_patterns = ["_*"]

# The outline of a lesson, in other languages: tools/translate.py
locale_dirs = ["_locale"]
gettext_compact = False

# Texts are Markdown as a code host reads it; beyond that, formulas and lists of definitions.
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 4
smartquotes = False

html_theme = "furo"
html_title = "rsna_cls"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]
templates_path = ["_templates"]
html_copy_source = False
html_use_index = False
html_show_sourcelink = False
html_show_copyright = False

# Colours of code that are told apart at 7:1 and more, by light and by dark
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

# `make links` asks for each link that leads out of the site. Places within a page are not looked
# for, because many pages make theirs with a script.
linkcheck_anchors = False
linkcheck_timeout = 10  # seconds without a word from the server
linkcheck_retries = 2
linkcheck_workers = 10
linkcheck_rate_limit_timeout = 60  # seconds to wait if a server is asked too often


# --- formulas as MathML: browsers show them without a script, and screen readers read them --------


def visit_inline(translator, node):
    "A formula within a line."
    translator.body.append(convert(node.astext()))
    raise SkipNode


def visit_block(translator, node):
    "A formula on a line of its own."
    formula = convert(node.astext(), display="block")
    translator.body.append(f'<div class="formula">{formula}</div>')
    raise SkipNode


def setup(app):
    "Tell Sphinx of the formulas."
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))


html_math_renderer = "mathml"
