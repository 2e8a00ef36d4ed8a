from __future__ import annotations

import copy
import gc
from typing import Any

import pytest

from wardline import ConfigurationError
from wardline.adapters import Attached, beneath, put_before


class Tool:
    """A framework's tool."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, value: int) -> Any:
        return (self.name, value)


class Governed:
    """A seam in front of it."""

    def run(self, value: int) -> Any:
        return ("judged", beneath(self).run(self, value + 1))


def test_a_seam_stands_before_what_the_object_does_itself():
    tool, other = Tool("pay"), Tool("pay")
    put_before(tool, Governed)
    put_before(tool, Governed)
    assert tool.run(1) == ("judged", ("pay", 2))
    assert copy.copy(tool).run(1) == tool.run(1)
    assert isinstance(tool, Tool)
    assert type(tool).__name__ == "Tool"
    assert beneath(tool) is Tool
    assert beneath(other) is Tool
    assert other.run(1) == ("pay", 1)


def test_an_object_that_cannot_be_governed_is_refused():
    class Fixed:
        __slots__ = ("name",)

    with pytest.raises(ConfigurationError, match="stand between an agent and a Fixed"):
        put_before(Fixed(), Governed)


def test_a_seam_stands_before_a_model_of_pydantic_too():
    pydantic = pytest.importorskip("pydantic", reason="it comes with the frameworks")

    class Model(pydantic.BaseModel):
        name: str

        def run(self, value: int) -> Any:
            return (self.name, value)

    model = Model(name="m")
    put_before(model, Governed)
    assert model.run(1) == ("judged", ("m", 2))
    assert model.model_copy(update={"name": "n"}).run(1) == ("judged", ("n", 2))


def test_what_is_known_about_an_object_goes_with_it():
    known: Attached[str] = Attached()
    tool = Tool("pay")
    assert known.find(tool) is None
    assert known.attach(tool, "governed") == "governed"
    assert known.attach(tool, "twice") == known.find(tool) == "twice"
    mark = id(tool)
    del tool
    gc.collect()
    assert mark not in known._known
