"""A new adapter, ready to be written: `python -m wardline_testing.new_adapter NAME DIRECTORY`.

It writes `DIRECTORY/wardline-NAME`, an adapter for the kit's toy framework that passes the kit: exchange
one hook after the other for those of the framework it is meant for.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "render", "template"]

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LEFT_OUT: Final = frozenset({"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache"})


def template() -> Path:
    """Return the folder of the template: beside this module where it is installed, else in the sources."""
    for place in (Path(__file__).with_name("template"), Path(__file__).parents[2] / "template"):
        if (place / "pyproject.toml").exists():
            return place
    raise FileNotFoundError("the template of an adapter is not installed beside wardline_testing")


def render(name: str, directory: Path) -> Path:
    """Write a new adapter called `wardline-NAME` below `directory` and return its folder.

    Raises `ValueError` for a name that no distribution can have, `FileExistsError` where the folder is
    there already.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name for an adapter: lower-case letters, digits and single hyphens, as in "
            "`llama-index`"
        )
    target = directory / f"wardline-{name}"
    target.mkdir(parents=True)
    for source in sorted(template().rglob("*")):
        if not source.is_file() or _LEFT_OUT & set(source.parts) or source.suffix == ".pyc":
            continue
        place = target / _named(str(source.relative_to(template())), name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_named(source.read_text(), name))
    return target


def _named(text: str, name: str) -> str:
    """Return a text of the template with the name of the new adapter in the place of its own."""
    title = "".join(part.capitalize() for part in name.split("-"))
    for old, new in (
        ("wardline_toy", f"wardline_{name.replace('-', '_')}"),
        ("wardline-toy", f"wardline-{name}"),
        ("TestToy", f"Test{title}"),
        ('\ntoy = "', f'\n{name} = "'),
    ):
        text = text.replace(old, new)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a new adapter and say where; return 2 where that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m wardline_testing.new_adapter",
        description="Write a new adapter that passes the kit.",
    )
    parser.add_argument("name", help="what comes behind `wardline-`, such as `llama-index`")
    parser.add_argument("directory", type=Path, help="where adapters are, such as `adapters`")
    said = parser.parse_args(arguments)
    try:
        target = render(said.name, said.directory)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(
        f"{target} is written, for the framework `toyagents`.\n"
        "It passes the kit as it is:\n"
        f"  pip install {template().with_name('toy')} -e {target}\n"
        f"  pytest {target / 'tests'} --wardline-complete\n"
        f"Exchange its hooks in {target / 'src'} and its harness in {target / 'tests'}.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
