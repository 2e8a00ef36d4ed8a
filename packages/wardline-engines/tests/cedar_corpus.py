"""The public integration corpus of Cedar, put to the engine that the guard asks.

`python cedar_corpus.py [--sample N]` prints a table and exits with 1 on any difference. The folder
that holds `cedar-integration-tests/` is named by WARDLINE_TEST_DATA; its archive of generated cases is
unpacked into a temporary folder where it is still packed.

Agreement means: the same effect and the same deciding policies; and where Cedar says that a policy
erred, no answer at all, whatever it decided. That is our rule, not Cedar's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardline import EngineError
from wardline_engines import cedar as engine
from wardline_engines.cedar_source import read_policies
from wardline_engines.cedar_terms import Question

if TYPE_CHECKING:
    from collections.abc import Iterator


def corpus(folder: Path, unpacked: Path) -> tuple[list[Path], list[Path], Path]:
    """Return the written suites, the generated ones, and the folder that holds the latter.

    `unpacked` takes the generated ones where they are still packed.
    """
    written = sorted((folder / "tests").rglob("*.json"))
    home = folder
    if not (folder / "corpus-tests").is_dir():
        home = unpacked
        with tarfile.open(folder / "corpus-tests.tar.gz") as packed:
            packed.extractall(unpacked, filter="data")
    names = (home / "corpus-tests").glob("*.json")
    return written, sorted(path for path in names if ".entities." not in path.name), home


def run(folder: Path, unpacked: Path, sample: int = 0) -> tuple[Counter[str], list[str]]:
    """Return how many requests ended how, and what differed. `sample` 0 takes every suite."""
    written, generated, home = corpus(folder, unpacked)
    if sample:
        generated = random.Random(4).sample(generated, min(sample, len(generated)))
    counts: Counter[str] = Counter()
    differences: list[str] = []
    for name, base, suites in (("written", folder, written), ("generated", home, generated)):
        for path in suites:
            for ending, difference in _suite(path, base):
                counts[f"{name}: {ending}"] += 1
                if difference:
                    differences.append(difference)
    return counts, differences


def _suite(path: Path, base: Path) -> Iterator[tuple[str, str]]:
    suite = json.loads(path.read_text())
    library = engine._library()
    text = (base / suite["policies"]).read_text()
    schema_text = (base / suite["schema"]).read_text()
    schema = library.Schema.from_str(schema_text)
    if bool(library.validate_policies(text, schema)) is not suite["shouldValidate"]:
        yield "wrong", f"{path.name}: whether it fits its schema"
    entities = json.loads((base / suite["entities"]).read_text())
    try:
        written = read_policies(library, text, path.name)
        known = engine._Known(library, entities, schema)
    except EngineError as error:
        for _ in suite["requests"]:
            yield f"not accepted ({_why(error)})", ""
        return
    for request in suite["requests"]:
        checked = schema if request.get("validateRequest", True) else None
        asked = Question(
            _pair(request["principal"]),
            _pair(request["action"]),
            _pair(request["resource"]),
            json.dumps(request["context"]),
            {},
        )
        yield _one(
            engine._Cedar(library, written, checked, known, frozenset()), asked, request, path.name
        )


def _one(opened: Any, asked: Question, request: dict[str, Any], where: str) -> tuple[str, str]:
    try:
        verdict = opened.answer(asked)
    except EngineError as error:
        if request["errors"]:
            return "agree, an error", ""
        return "wrong", f"{where}: {request['description']}: {error}"
    if request["errors"]:
        return "wrong", f"{where}: {request['description']}: no error, but {verdict!r}"
    same = verdict.effect == request["decision"] and len(verdict.rules) == len(request["reason"])
    return ("agree", "") if same else ("wrong", f"{where}: {request['description']}: {verdict!r}")


def _pair(uid: dict[str, Any]) -> tuple[str, str]:
    uid = uid.get("__entity", uid)
    return uid["type"], uid["id"]


def _why(error: EngineError) -> str:
    message = str(error)
    for why in ("template", "no policy", "which the request states", "@id"):
        if why in message:
            return why
    return message[:60]


def main() -> int:
    """Run the corpus and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, default=0, help="how many generated suites; 0 is all")
    options = parser.parse_args()
    data = os.environ.get("WARDLINE_TEST_DATA")
    folder = Path(data, "cedar-integration-tests") if data else None
    if folder is None or not folder.is_dir():
        print("WARDLINE_TEST_DATA names no folder that holds cedar-integration-tests/")
        return 2
    with tempfile.TemporaryDirectory() as unpacked:
        counts, differences = run(folder, Path(unpacked), options.sample)
    for ending, count in sorted(counts.items()):
        print(f"{count:>8,}  {ending}")
    print("\n".join(differences[:20]))
    total = sum(counts.values())
    wrong = sum(count for ending, count in counts.items() if ending.endswith("wrong"))
    print(f"cedar {total - wrong:,}/{total:,}")
    return 1 if wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
