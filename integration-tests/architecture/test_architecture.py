"""The rules of the house hold, and each of them notices when somebody breaks it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_spec = importlib.util.spec_from_file_location("rules", Path(__file__).with_name("rules.py"))
assert _spec is not None
assert _spec.loader is not None
rules = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(rules)

Rule = Callable[[object], list[str]]
ALL: list[Rule] = [
    rules.one_way,
    rules.no_third_party_at_start,
    rules.narrow_excepts,
    rules.one_name_per_concept,
    rules.public_names,
]
CORE = "packages/wardline/src/wardline"
CLI = "packages/wardline-cli/src/wardline_cli"
ADAPTER = "adapters/wardline-langchain/src/wardline_langchain"

PLANTED = [
    (rules.one_way, f"{CORE}/planted.py", "import wardline_cli\n"),
    (rules.one_way, f"{CORE}/planted.py", "def f():\n    from wardline_langchain import x\n"),
    (rules.one_way, f"{CLI}/planted.py", "from wardline.guard.judge import Judge\n"),
    (rules.one_way, f"{CLI}/planted.py", "from wardline import no_such_public_name\n"),
    (rules.one_way, f"{CLI}/planted.py", "from wardline.store import prune_everything\n"),
    (rules.one_way, f"{CLI}/planted.py", "import wardline_langchain\n"),
    (rules.one_way, f"{ADAPTER}/planted.py", "import wardline_crewai\n"),
    (rules.one_way, f"{ADAPTER}/planted.py", "from wardline.policy.model import Rule\n"),
    (rules.no_third_party_at_start, f"{CORE}/planted.py", "import yaml\n"),
    (
        rules.no_third_party_at_start,
        f"{CORE}/planted.py",
        "try:\n    import orjson\nexcept ImportError:\n    pass\n",
    ),
    (rules.no_third_party_at_start, f"{CORE}/planted.py", "class A:\n    import requests\n"),
    (rules.no_third_party_at_start, f"{CORE}/planted.py", "def f():\n    import langchain_core\n"),
    (rules.no_third_party_at_start, f"{CORE}/planted.py", "def f():\n    import cryptography\n"),
    (rules.narrow_excepts, f"{CORE}/planted.py", "try:\n    pass\nexcept Exception:\n    pass\n"),
    (
        rules.narrow_excepts,
        f"{CORE}/planted.py",
        "try:\n    pass\nexcept (ValueError, Exception):\n    raise\n",
    ),
    (rules.narrow_excepts, f"{ADAPTER}/planted.py", "try:\n    pass\nexcept:\n    raise\n"),
    (
        rules.narrow_excepts,
        f"{CLI}/planted.py",
        "try:\n    pass\nexcept BaseException:\n    pass\n",
    ),
    (rules.one_name_per_concept, f"{CLI}/planted.py", "class ToolDecision:\n    pass\n"),
    (rules.one_name_per_concept, f"{ADAPTER}/planted.py", "class LangChainGuard:\n    pass\n"),
    (rules.public_names, f"{CORE}/planted.py", "def helper():\n    pass\n"),
    (rules.public_names, f"{CORE}/planted.py", "__all__ = ['a']\na = 1\ndef b():\n    pass\n"),
    (rules.public_names, f"{CLI}/planted.py", "__all__ = ['gone']\n"),
]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.__name__)
def test_X_4_the_rule_holds(rule: Rule) -> None:
    assert rule(rules.Tree(ROOT)) == []


@pytest.mark.parametrize(("rule", "file", "text"), PLANTED)
def test_the_rule_notices(rule: Rule, file: str, text: str, tmp_path: Path) -> None:
    for place in ("packages", "adapters"):
        for source in sorted((ROOT / place).glob("*/src")):
            shutil.copytree(source, tmp_path / source.relative_to(ROOT))
    if "wardline_crewai" in text:
        other = tmp_path / "adapters/wardline-crewai/src/wardline_crewai"
        other.mkdir(parents=True, exist_ok=True)
    planted = tmp_path / file
    assert not planted.exists()
    planted.write_text(text)
    found = rule(rules.Tree(tmp_path))
    assert len(found) == 1, found
    assert found[0].startswith(file)


def test_INST_3_importing_the_core_imports_no_third_party() -> None:
    program = (
        "import sys; before = set(sys.modules); import wardline; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names) - {'wardline'}))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_X_5_the_public_names_are_these() -> None:
    import wardline

    assert len(set(wardline.__all__)) == len(wardline.__all__)
    assert all(hasattr(wardline, name) for name in wardline.__all__)
    public = {name for name in vars(wardline) if not name.startswith("_")}
    rooms = {path.stem for path in (ROOT / CORE).iterdir()}
    assert public - rooms <= set(wardline.__all__) | {"annotations"}
