"""A governed function is as good a tool as the function itself."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import pytest
from langchain_core.tools import StructuredTool, tool
from pydantic import Field

from wardline import Guard, govern


class Unit(Enum):
    METRE = "m"
    FOOT = "ft"


def measure(
    length: Annotated[float, Field(description="how long", ge=0)],
    unit: Unit = Unit.METRE,
    *,
    labels: list[str] | None = None,
) -> str:
    """Measure something.

    It is measured as it stands.
    """
    return f"{length} {unit.value} {labels}"


async def ameasure(length: int, note: str = "") -> str:
    """Measure something later."""
    return f"{length} {note}"


class Ruler:
    def measure(self, length: int, note: str = "") -> str:
        """Measure with a ruler."""
        return f"{length} {note}"


@pytest.mark.parametrize("fn", [measure, ameasure, Ruler().measure])
def test_WRAP_5_the_schema_of_a_governed_tool_is_that_of_the_function(world: Any, fn: Any) -> None:
    guard: Guard = world.guard("rules: []")
    governed = govern(fn, guard=guard)
    for make in (StructuredTool.from_function, tool):
        if isinstance(fn, type(Ruler().measure)) and make is tool:
            continue  # LangChain's decorator takes no bound method either
        plain, safe = make(fn), make(governed)
        assert safe.name == plain.name
        assert safe.description == plain.description
        assert safe.args_schema.model_json_schema() == plain.args_schema.model_json_schema()
