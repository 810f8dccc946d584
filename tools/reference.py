"""A module's notebook as a page of the library's reference, in Markdown.

The prose stays. Of the code a reader first sees what it offers: each public name, what it says of
itself, and its arguments. The source and the checks are folded below.
"""

import ast
import re
import tokenize
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import nbformat

DIRECTIVE = re.compile(r"^#\| *(\w+) *(.*)\n?", re.MULTILINE)
HEADING = re.compile(r"^(#+) ", re.MULTILINE)
DEEPEST = 4  # level of a heading, 1 to 6
MOST_NAMES = 4  # above folded code


def directives_of(source: str) -> dict[str, str]:
    "What nbdev is told about a cell: `export`, `hide` or `default_exp`, and its value."
    return dict(DIRECTIVE.findall(source))


def module_of(notebook: nbformat.NotebookNode) -> str:
    "The module that a notebook is exported to, as in `sim.beam`."
    told = [directives_of(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    return next(names["default_exp"] for names in told if "default_exp" in names)


# --- words and lists -----------------------------------------------------------------------------


def as_words(text: str) -> str:
    "A comment or docstring that may stand in a Markdown page."
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    escaped = [
        part if part.startswith("`") else re.sub(r"([<*\[\]])", r"\\\1", part) for part in parts
    ]
    return "".join(escaped)


@dataclass(frozen=True)
class Argument:
    "An argument of a function or a field of a class, or what comes back."

    name: str
    kind: str  # its type, as it is written; empty: none is
    default: str  # as it is written; empty: none
    meaning: str  # what the comment behind it says

    @property
    def as_definition(self) -> str:
        "A term and what it means, as an entry of a list of definitions; without a meaning, a line."
        term = f"`{self.name}`" if self.name else "**returns**"
        if self.kind:
            term += f": `{self.kind}`"
        if self.default:
            term += f", default `{self.default}`"
        return f"{term}\n: {as_words(self.meaning)}" if self.meaning else term


def list_of(arguments: list[Argument]) -> str:
    "Arguments as a list of definitions, which fits on a phone, as a table does not."
    return "\n\n".join(argument.as_definition for argument in arguments)


# --- what a function or a class says of itself ---------------------------------------------------

Comments = dict[int, str]  # by the line in which they end it, from 1


def comments_in(code: str) -> Comments:
    "The comments of a piece of code."
    tokens = tokenize.generate_tokens(StringIO(code).readline)
    return {
        token.start[0]: token.string.lstrip("# ")
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def as_argument(
    name: str, kind: ast.expr | None, default: ast.expr | None, comments: Comments
) -> Argument:
    "An argument, a field or what comes back; its meaning is the comment behind it."
    lines = [part.end_lineno for part in (kind, default) if part is not None]
    return Argument(
        name,
        ast.unparse(kind) if kind else "",
        ast.unparse(default) if default else "",
        comments.get(max(lines, default=0), ""),
    )


def arguments_of(node: ast.FunctionDef, comments: Comments) -> list[Argument]:
    "A function's arguments, and what it returns."
    given = [*node.args.posonlyargs, *node.args.args]
    missing: list[ast.expr | None] = [None] * (len(given) - len(node.args.defaults))
    pairs = list(zip(given, [*missing, *node.args.defaults], strict=True))
    if node.args.vararg:
        pairs.append((node.args.vararg, None))
    pairs += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    if node.args.kwarg:
        pairs.append((node.args.kwarg, None))

    # The comment behind a signature of one line is about what comes back
    is_one_line = node.returns is not None and node.returns.end_lineno == node.lineno
    found = []
    for argument, default in pairs:
        if argument.arg not in ("self", "cls"):
            of_its_own = {} if is_one_line else comments
            found.append(as_argument(argument.arg, argument.annotation, default, of_its_own))
    if node.returns and ast.unparse(node.returns) != "None":
        found.append(as_argument("", node.returns, None, comments))
    return found


def fields_of(node: ast.ClassDef, comments: Comments) -> list[Argument]:
    "A class's fields."
    fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
    return [
        as_argument(field.target.id, field.annotation, field.value, comments)
        for field in fields
        if isinstance(field.target, ast.Name) and not field.target.id.startswith("_")
    ]


def entry_of(node: ast.stmt, comments: Comments, level: int, prefix: str = "") -> list[str]:
    "What a reader sees of a function or a class: heading, docstring, arguments; then its methods."
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
        return []
    parts = [f"{'#' * min(level, DEEPEST)} `{prefix}{node.name}`"]
    parts.append(as_words(ast.get_docstring(node) or ""))
    if isinstance(node, ast.FunctionDef):
        return [*parts, list_of(arguments_of(node, comments))]
    parts.append(list_of(fields_of(node, comments)))
    for method in node.body:
        parts += entry_of(method, comments, level + 1, f"{prefix}{node.name}.")
    return parts


# --- the page ------------------------------------------------------------------------------------


def folded(title: str, source: str) -> str:
    "Code that a reader opens."
    return f"<details><summary>{title}</summary>\n\n```python\n{source}\n```\n\n</details>"


def names_in(nodes: list[ast.stmt]) -> list[str]:
    "The names that a piece of code defines."
    found = []
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign):
            found += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.append(node.target.id)
    return list(dict.fromkeys(found))


def title_of_source(nodes: list[ast.stmt]) -> str:
    "What stands above folded code: the names that it defines, the first few of many."
    names = names_in(nodes)
    shown = ", ".join(f"<code>{name}</code>" for name in names[:MOST_NAMES])
    more = ", …" if len(names) > MOST_NAMES else ""
    return f"Source: {shown}{more}" if names else "Source"


def code_cell(source: str, level: int) -> list[str]:
    "A cell with code: what it offers, and the code itself, folded."
    told = directives_of(source)
    code = DIRECTIVE.sub("", source).strip()
    nodes = ast.parse(code).body
    is_dull = all(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes)
    if "hide" in told or "default_exp" in told or is_dull:
        return []
    if "export" not in told:
        return [folded("Examples and checks", code)]
    parts = []
    for node in nodes:
        parts += entry_of(node, comments_in(code), level)
    return [*parts, folded(title_of_source(nodes), code)]


def reference_page(file: Path, package: str = "rsna_cls") -> str:
    "The page of a module."
    notebook = nbformat.read(file, as_version=4)
    name = f"{package}.{module_of(notebook)}"
    parts = []
    level = 2  # of the headings of what the next cell offers
    for cell in notebook.cells:
        if cell.cell_type == "code":
            parts += code_cell(cell.source, level)
            continue
        headings = HEADING.findall(re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL))
        if headings:
            level = max(2, len(headings[-1]) + 1)
        parts.append(cell.source.strip())
    title, *rest = [part for part in parts if part]
    return "\n\n".join([title.replace(f"# {name.split('.')[-1]}", f"# {name}", 1), *rest]) + "\n"


def summary_of(file: Path) -> str:
    "What a module is for: the line below its title."
    text = nbformat.read(file, as_version=4).cells[0].source
    return next(line.removeprefix("> ") for line in text.split("\n") if line.startswith("> "))
