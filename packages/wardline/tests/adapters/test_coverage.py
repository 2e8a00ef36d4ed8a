"""What a function refers to, for adapters that look for what their agents can reach."""

from __future__ import annotations

import functools

from wardline.adapters import referred

GLOBAL = object()


class Holder:
    def method(self) -> object:
        return GLOBAL


def test_closures_globals_defaults_and_the_object_of_a_method_are_found():
    inner, default, named = object(), object(), object()

    def function(one=default, *, two=named):
        return inner, GLOBAL, one, two

    assert all(any(one is found for found in referred(function)) for one in (inner, default, named))
    assert any(found is GLOBAL for found in referred(function))
    holder = Holder()
    assert any(found is holder for found in referred(holder.method))
    assert any(found is GLOBAL for found in referred(holder.method))


def test_a_decorated_function_is_looked_through():
    inner = object()

    def function():
        return inner

    @functools.wraps(function)
    def wrapper():
        return function()

    assert any(found is inner for found in referred(wrapper))


def test_what_is_no_function_of_python_refers_to_nothing():
    assert (
        referred(len) == referred(Holder) == referred(3) == referred(functools.partial(len)) == []
    )
