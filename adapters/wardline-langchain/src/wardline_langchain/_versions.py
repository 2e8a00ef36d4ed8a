"""The versions of LangChain that this adapter has been proved on; it starts with no other."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from wardline import ConfigurationError

__all__ = ["PROVED", "require_proved_versions"]

PROVED: Final = {
    "langchain": ((1, 4), (1, 5)),
    "langchain-core": ((1, 7), (1, 8)),
    "langgraph": ((1, 2), (1, 2)),
}


def require_proved_versions() -> None:
    """Raise `ConfigurationError` unless the installed packages are in the proved range."""
    for package, (first, last) in PROVED.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            found = "none"
        numbers = re.match(r"(\d+)\.(\d+)", found)
        if numbers is None or not first <= (int(numbers[1]), int(numbers[2])) <= last:
            raise ConfigurationError(
                f"wardline-langchain is proved with {package} {_dotted(first)} to {_dotted(last)}, and "
                f"{found} is installed. Nothing could be promised about what it lets through: install "
                f"`{package}>={_dotted(first)},<{last[0]}.{last[1] + 1}`, or a newer wardline-langchain"
            )


def _dotted(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"
