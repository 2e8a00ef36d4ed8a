from __future__ import annotations

import datetime as dt
import enum
import threading
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

pydantic = pytest.importorskip("pydantic", reason="it comes with the frameworks")

from wardline import ConfigurationError  # noqa: E402
from wardline.adapters import is_plain, plain, received, require_proved, same, settled  # noqa: E402


class Colour(enum.Enum):
    RED = "red"


class Point(pydantic.BaseModel):
    x: int
    y: int = 0


class Paint(pydantic.BaseModel):
    where: Point
    colour: Colour = Colour.RED
    times: int = 1
    tags: set[str] = pydantic.Field(default_factory=set)


def test_arguments_come_as_the_body_gets_them():
    given = {"where": {"x": "3"}, "times": "2", "tags": ["b", "a"]}
    assert received("paint", Paint, given) == {
        "where": {"x": 3, "y": 0},
        "colour": "red",
        "times": 2,
        "tags": ["a", "b"],
    }
    assert given["times"] == "2"


def test_a_result_held_in_models_is_seen_in_plain_values():
    class Entry(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        text: str = pydantic.Field(alias="content")

    entry = Entry(content="x", more=Point(x=1))
    assert plain({"memories": (entry,), 1: b"raw", "odd": threading}) == {
        "memories": [{"content": "x", "more": {"x": 1, "y": 0}}],
        "1": b"raw",
        "odd": str(threading),
    }


def test_times_come_in_a_form_that_can_be_written_down_and_validates_again():
    class Booking(pydantic.BaseModel):
        day: dt.date
        at: dt.time
        takes: dt.timedelta
        seen: dt.datetime
        price: Decimal

    given = {"day": "2026-01-02", "at": "10:30", "takes": "PT90S", "seen": "2026-01-02T03:04:05Z"}
    first = received("book", Booking, {**given, "price": "1.50"})
    assert first["day"] == "2026-01-02"
    assert first["at"] == "10:30:00"
    assert first["takes"] == "P0DT90.000000S"
    assert type(first["seen"]) is dt.datetime
    assert first["price"] == Decimal("1.50")
    assert received("book", Booking, first) == first


def test_days_and_times_are_seen_as_texts_that_validate_to_them_again():
    moments = {
        "day": date(2026, 1, 2),
        "time": time(3, 4),
        "naive": datetime(2026, 1, 2, 3, 4),
        "length": timedelta(days=-1, seconds=3),
        "aware": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    }
    seen = plain(moments)
    assert seen["aware"] is moments["aware"]
    for name, value in moments.items():
        assert pydantic.TypeAdapter(type(value)).validate_python(seen[name]) == value
        assert isinstance(seen[name], str) or name == "aware"


def test_a_framework_with_a_way_of_its_own_settles_arguments():
    def convert(args: dict[str, Any]) -> dict[str, Any] | None:
        return {"where": Point.model_validate(args["where"])} if "where" in args else None

    defaults = {"times": 2, "sink": object()}

    def keeping(args: dict[str, Any]) -> dict[str, Any] | None:
        found = convert(args)
        return found and {**args, **found}

    assert settled("paint", {"where": {"x": "3"}}, keeping, defaults) == {
        "where": {"x": 3, "y": 0},
        "times": 2,
    }
    assert settled("paint", {"nowhere": 1}, keeping, defaults) == {"nowhere": 1}
    with pytest.raises(ConfigurationError, match="does not leave arguments alone"):
        settled("paint", {"where": {"x": 3}}, convert, defaults)


@pytest.mark.parametrize(
    ("value", "yes"),
    [
        ({"a": [1, (None, "x")], "b": {"c": 1.5}}, True),
        ({1: "a"}, False),
        ([object()], False),
        (b"raw", False),
    ],
)
def test_plain_is_what_json_has(value, yes):
    assert is_plain(value) is yes


def test_what_does_not_validate_comes_back_for_the_framework_to_report():
    assert received("paint", Paint, {"where": 3}) == {"where": 3}


def test_injected_parameters_are_left_out():
    class Injected(pydantic.BaseModel):
        query: str
        state: dict[str, Any]

    assert received("search", Injected, {"query": "x"}, hidden=("state",)) == {"query": "x"}


def test_a_schema_that_changes_its_own_results_is_refused():
    class Grows(pydantic.BaseModel):
        text: str

        @pydantic.field_validator("text")
        @classmethod
        def longer(cls, value: str) -> str:
            return value + "!"

    with pytest.raises(ConfigurationError, match="`shout` does not leave arguments alone"):
        received("shout", Grows, {"text": "a"})


def test_a_schema_that_checks_injected_ones_together_with_the_rest_is_refused():
    class Together(pydantic.BaseModel):
        query: str
        state: dict[str, Any]

        @pydantic.model_validator(mode="after")
        def check(self) -> Together:
            if not self.state:
                raise ValueError("no state")
            return self

    with pytest.raises(ConfigurationError, match="together with injected ones"):
        received("search", Together, {"query": "x"}, hidden=("state",))


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, False),
        (1, True, False),
        (float("nan"), float("nan"), True),
        (0.0, -0.0, False),
        ([1, {"a": (2,)}], [1, {"a": (2,)}], True),
        ([1, {"a": (2,)}], [1, {"a": [2]}], False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
    ],
)
def test_same_means_the_same_in_type_and_value(one, other, equal):
    assert same(one, other) is equal


def test_an_unproved_version_is_refused_by_name():
    require_proved("wardline-toy", {"pytest": ((1, 0), (99, 0))})
    with pytest.raises(ConfigurationError, match=r"proved with pytest 1\.0 to 1\.5, and \d"):
        require_proved("wardline-toy", {"pytest": ((1, 0), (1, 5))})
    with pytest.raises(ConfigurationError, match="none is installed"):
        require_proved("wardline-toy", {"no-such-framework": ((1, 0), (1, 5))})
