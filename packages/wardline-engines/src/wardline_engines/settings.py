"""Reading what a document says under `with:`, so that every mistake names its setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Reader = Callable[[str], bytes]

__all__ = ["Settings"]


class Settings:
    """The settings of one document, and a way to read the files that they name.

    Every method raises `EngineError` that names the setting.
    """

    __slots__ = ("_read", "_values")

    def __init__(self, values: Mapping[str, Any], read: Reader) -> None:
        self._values = values
        self._read = read

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def value(self, key: str) -> Any:
        """Return a setting as the document has it, None where it is not given."""
        return self._values.get(key)

    def text(self, key: str, default: str = "") -> str:
        """Return a setting that is a string and not empty."""
        value = self._values.get(key, default)
        if key in self._values and (type(value) is not str or not value.strip()):
            raise EngineError(f"`{key}` is a string, not {_shown(value)}", key)
        return str(value)

    def flag(self, key: str) -> bool:
        """Return a setting that is `true` or `false`, false where it is not given."""
        value = self._values.get(key, False)
        if type(value) is not bool:
            raise EngineError(f"`{key}` is true or false, not {_shown(value)}", key)
        return value

    def texts(self, key: str) -> dict[str, str]:
        """Return a setting that maps strings to strings, empty where it is not given."""
        found = self._values.get(key, {})
        if type(found) is not dict:
            raise EngineError(f"`{key}` is a map, not {_shown(found)}", key)
        for name, value in found.items():
            if type(value) is not str or not value:
                raise EngineError(f"`{key}.{name}` is a string, not {_shown(value)}", key)
        return dict(found)

    def source(self, key: str, *endings: str) -> tuple[str, str]:
        """Return the text of a setting, and the file it came from or "".

        One line that ends like a file of this kind names a file beside the document; anything else is
        the text itself.
        """
        text = self.text(key)
        if "\n" in text or not text.strip().endswith(endings):
            return text, ""
        return self.file(key, text.strip()), text.strip()

    def file(self, key: str, name: str) -> str:
        """Return the text of a file beside the document."""
        try:
            return self._read(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise EngineError(f"`{name}` is not UTF-8: {error}", key) from None
        except EngineError as error:
            raise EngineError(str(error), key) from None


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:39]}…"
