"""The rules of the house, as functions over source files.

Each takes files and returns what breaks the rule, as readable lines; nothing is imported or run, so a
rule can be tried on a tree with a planted mistake.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

WORDS = (
    "Action",
    "Principal",
    "Session",
    "Facts",
    "Policy",
    "PolicySet",
    "Rule",
    "Catalogue",
    "Decision",
    "Limit",
    "Permit",
    "Outcome",
    "Approval",
    "Grant",
    "Switch",
    "Ledger",
    "Record",
    "Segment",
    "Checkpoint",
    "Store",
    "Guard",
)
"""The words of the design; the core has one class for each, and nobody else has another."""

FRAMEWORKS = frozenset(
    {"langchain", "langchain_core", "langgraph", "crewai", "llama_index", "agents", "pydantic_ai"}
    | {"haystack", "google", "agent_framework", "autogen", "semantic_kernel", "smolagents", "dspy"}
)

BROAD = {
    "packages/wardline/src/wardline/guard/boundary.py": "the guard's boundary, around foreign code",
    "packages/wardline/src/wardline/guard/guard.py": "the guard's boundary, and the adapters' helper",
    "packages/wardline-cli/src/wardline_cli/main.py": "the entry of the command",
}
"""Where a broad `except` may stand, and why."""

LAZY = {"yaml", "orjson", "pydantic"}
"""Third parties that the core imports inside functions or modules nobody imports at start."""


class Tree:
    """The sources of a checkout, by distribution."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.core = root / "packages" / "wardline" / "src" / "wardline"
        sources = [*root.glob("packages/*/src/*"), *root.glob("adapters/*/src/*")]
        self.distributions = {path.name: path for path in sources if path.is_dir()}

    def files(self, place: Path) -> Iterator[tuple[str, ast.Module]]:
        """Yield the path below the root and the syntax tree of every Python file."""
        for path in sorted(place.rglob("*.py")):
            yield str(path.relative_to(self.root)), parsed(path.read_text())

    def adapters(self) -> set[str]:
        """Return the import names of the adapters."""
        return {
            name
            for name, path in self.distributions.items()
            if path.is_relative_to(self.root / "adapters")
        }


@cache
def parsed(text: str) -> ast.Module:
    """Return the syntax tree of a text; most texts are looked at many times."""
    return ast.parse(text)


def imports(tree: ast.AST) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield line, module and names of every import, those for type checkers included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ()
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield node.lineno, module, tuple(alias.name for alias in node.names)


def at_import(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and module of what importing a file imports in its turn."""
    todo: list[ast.stmt] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module or ""
        for field in ("body", "orelse", "finalbody"):
            todo += getattr(node, field, [])
        for handler in getattr(node, "handlers", []):
            todo += handler.body


def one_way(tree: Tree) -> list[str]:
    """Dependencies run one way: adapters and packages to the core, by its public names alone."""
    found = []
    adapters = tree.adapters()
    ours = set(tree.distributions)
    for name, place in tree.distributions.items():
        for file, module in tree.files(place):
            for line, target, names in imports(module):
                top = target.split(".")[0]
                where = f"{file}:{line}"
                if name == "wardline" and top in ours - {"wardline"}:
                    found.append(f"{where}: the core imports {top}, which stands above it")
                elif name in adapters and top in adapters - {name}:
                    found.append(f"{where}: an adapter imports the adapter {top}")
                elif name != "wardline" and top in adapters and name not in adapters:
                    found.append(f"{where}: a package imports the adapter {top}")
                elif name != "wardline" and top == "wardline":
                    found += [f"{where}: {why}" for why in _private(tree, target, names)]
                elif target.startswith("."):
                    found.append(f"{where}: relative imports hide where a name comes from")
    return found


def _private(tree: Tree, target: str, names: tuple[str, ...]) -> Iterator[str]:
    """Yield why an import from the core is not one of a public name."""
    parts = target.split(".")
    if len(parts) > 2 or (
        len(parts) == 2 and parts[1] not in {"adapters", "cases", "ledger", "policy", "store"}
    ):
        yield f"{target} is not public; use the names of wardline.__all__"
        return
    init = tree.core.joinpath(*parts[1:]) / "__init__.py"
    public = exported(ast.parse(init.read_text())) or ()
    yield from (f"{name} is not in {target}.__all__" for name in names if name not in public)


def no_third_party_at_start(tree: Tree) -> list[str]:
    """Importing the core imports no third party, and its sources never import a framework."""
    found = []
    standard = sys.stdlib_module_names
    late = {"packages/wardline/src/wardline/policy/reader.py"}
    for file, module in tree.files(tree.core):
        for line, target, _ in imports(module):
            if target.split(".")[0] in FRAMEWORKS:
                found.append(f"{file}:{line}: the core imports the framework {target}")
        for line, target in at_import(module):
            top = target.split(".")[0]
            if top not in standard and top not in {"wardline", "__future__"} and file not in late:
                found.append(f"{file}:{line}: {target} is imported when wardline is")
    for file, module in tree.files(tree.core):
        for line, target, _ in imports(module):
            top = target.split(".")[0]
            if top not in standard and top != "wardline" and top not in LAZY | {"__future__"}:
                found.append(f"{file}:{line}: {target} is no dependency of the core")
        for line, target in at_import(module):
            if target == "wardline.policy.reader" and file not in late:
                if not any(room in file for room in ("/policy/", "/cases/")):
                    found.append(f"{file}:{line}: the reader of YAML is imported when wardline is")
    return list({line.split(": ")[0]: line for line in found}.values())


def narrow_excepts(tree: Tree) -> list[str]:
    """Broad handlers stand where the design has them, or around the tool and raise again."""
    found = []
    for place in tree.distributions.values():
        for file, module in tree.files(place):
            for node in ast.walk(module):
                if not isinstance(node, ast.ExceptHandler) or file in BROAD:
                    continue
                names = _caught(node.type)
                if "Exception" in names or node.type is None:
                    found.append(f"{file}:{node.lineno}: a broad except outside {', '.join(BROAD)}")
                elif "BaseException" in names and not _passes_on(node):
                    found.append(f"{file}:{node.lineno}: BaseException is caught and not passed on")
    return found


def _caught(node: ast.expr | None) -> set[str]:
    if node is None:
        return set()
    elements = node.elts if isinstance(node, ast.Tuple) else [node]
    return {part.id for part in elements if isinstance(part, ast.Name)}


def _passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether a handler raises again, or throws what it caught into what it stands for."""
    for node in ast.walk(handler):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Attribute) and node.attr in {"throw", "athrow"}:
            return True
    return False


def one_name_per_concept(tree: Tree) -> list[str]:
    """No public class outside the core is called like one of the design's words."""
    found = []
    for name, place in tree.distributions.items():
        if name == "wardline":
            continue
        for file, module in tree.files(place):
            for node in ast.walk(module):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    for word in WORDS:
                        if node.name.endswith(word):
                            found.append(
                                f"{file}:{node.lineno}: {node.name} ends in {word}, a word of the core"
                            )
                            break
    return found


def exported(module: ast.Module) -> list[str] | None:
    """Return the value of `__all__`, None where there is none."""
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))
    return None


def public_names(tree: Tree) -> list[str]:
    """Every public name that a module defines is in its `__all__`, and the other way round."""
    found = []
    for place in tree.distributions.values():
        for file, module in tree.files(place):
            if file.endswith("__main__.py"):
                continue
            listed = exported(module)
            defined = set(_defined(module))
            if listed is None:
                if public := sorted(name for name in defined if not name.startswith("_")):
                    found.append(f"{file}: no __all__, but it defines {', '.join(public)}")
                continue
            bound = defined | set(_imported(module))
            found += [
                f"{file}: {name} is in __all__ and nowhere else"
                for name in listed
                if name not in bound
            ]
            found += [
                f"{file}: {name} is public and not in __all__"
                for name in sorted(defined)
                if not name.startswith("_") and name not in listed
            ]
    return found


def _defined(module: ast.Module) -> Iterator[str]:
    """Yield the names a module binds, but for type variables, which are the checker's."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and not _is_type_variable(node.value):
            for target in node.targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                yield from (part.id for part in parts if isinstance(part, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def _is_type_variable(value: ast.expr) -> bool:
    called = value.func if isinstance(value, ast.Call) else None
    return isinstance(called, ast.Name) and called.id in {"TypeVar", "ParamSpec"}


def _imported(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
