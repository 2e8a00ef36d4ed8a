"""The versions that an adapter has been proved on; it starts with no other."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from wardline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["require_proved"]


def require_proved(
    adapter: str, proved: Mapping[str, tuple[tuple[int, int], tuple[int, int]]]
) -> None:
    """Raise `ConfigurationError` unless the installed packages are in the proved range.

    `adapter` is the adapter's distribution, `proved` the first and the last minor release of each
    package of its framework, as in `{"langgraph": ((1, 2), (1, 2))}`.
    """
    for package, (first, last) in proved.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            found = "none"
        numbers = re.match(r"(\d+)\.(\d+)", found)
        if numbers is None or not first <= (int(numbers[1]), int(numbers[2])) <= last:
            raise ConfigurationError(
                f"{adapter} is proved with {package} {_dotted(first)} to {_dotted(last)}, and "
                f"{found} is installed. Nothing could be promised about what it lets through: install "
                f"`{package}>={_dotted(first)},<{last[0]}.{last[1] + 1}`, or a newer {adapter}"
            )


def _dotted(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"
