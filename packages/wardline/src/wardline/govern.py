"""`govern()`: any function, decided on before it runs."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from wardline.action import Action
from wardline.binding import Binding
from wardline.errors import ConfigurationError
from wardline.guard.guard import Guard, home_directory, load
from wardline.guard.streams import adopted, arelaying, relay

if TYPE_CHECKING:
    from pathlib import Path

    from wardline.guard.permit import Permit
    from wardline.policy import PolicySet

__all__ = ["govern"]

F = TypeVar("F", bound=Callable[..., Any])

_PLAIN = frozenset({str, int, bool, float, bytes, list, dict, tuple, type(None)})


@overload
def govern(
    fn: F,
    /,
    *,
    policy: str | Path | PolicySet | Sequence[str | Path] | None = None,
    guard: Guard | None = None,
    name: str = "",
    opaque: Sequence[str] = (),
) -> F: ...


@overload
def govern(
    *,
    policy: str | Path | PolicySet | Sequence[str | Path] | None = None,
    guard: Guard | None = None,
    name: str = "",
    opaque: Sequence[str] = (),
) -> Callable[[F], F]: ...


def govern(
    fn: Any = None,
    /,
    *,
    policy: str | Path | PolicySet | Sequence[str | Path] | None = None,
    guard: Guard | None = None,
    name: str = "",
    opaque: Sequence[str] = (),
) -> Any:
    """Return `fn` governed: each call is judged first and its outcome recorded.

    Use it as a wrapper, `safe = govern(tool, policy="policy.yaml")`, or as a decorator,
    `@govern(guard=guard)`. Functions, coroutine functions, generators of both sorts, methods of all
    sorts, `functools.partial` and callable objects keep their signature, docstring and kind.

    The action is a `tool_call` under `name`, the function's own name by default; nothing the caller
    passes can change it. Every argument is judged under the name of its parameter. Those named
    `opaque` pass by reference and cannot be read by a condition. Functions governed under the same
    policy in the same home share one guard; pass `guard` to configure it.

    A refused call raises `ActionDenied`, or `ApprovalPending` where somebody has to answer first.
    Raises `ConfigurationError` for a function that cannot be governed, `PolicyError` for a policy
    that does not load.
    """
    if fn is None:
        return functools.partial(govern, policy=policy, guard=guard, name=name, opaque=opaque)
    if (policy is None) == (guard is None):
        raise ConfigurationError("govern() takes a policy or a guard, and exactly one of them")
    if isinstance(fn, classmethod | staticmethod):
        inner = govern(fn.__func__, policy=policy, guard=guard, name=name, opaque=opaque)
        return type(fn)(inner)
    if not callable(fn):
        raise ConfigurationError(f"{fn!r} cannot be called, so it cannot be governed")
    if guard is None:
        assert policy is not None
        guard = _shared_guard(policy)
    return _Governed(fn, guard, name, tuple(opaque)).wrapper()


_guards: dict[tuple[str, Path], Guard] = {}
_guards_lock = threading.Lock()


def _shared_guard(policy: str | Path | PolicySet | Sequence[str | Path]) -> Guard:
    """Return the guard of this process for a policy; text that changed is another policy."""
    policies = load(policy)
    key = (policies.digest, home_directory().absolute())
    with _guards_lock:
        guard = _guards.get(key)
        if guard is None:
            guard = _guards[key] = Guard(policies, home=key[1])
        return guard


class _Governed:
    """One governed function."""

    __slots__ = ("_binding", "_fn", "_guard", "_name", "_target")

    def __init__(self, fn: Any, guard: Guard, name: str, opaque: tuple[str, ...]) -> None:
        self._fn = fn
        self._guard = guard
        target, first, keywords = _taken_apart(fn)
        self._target = target
        self._name = name or _name_of(target)
        self._binding = Binding(target, first=first, keywords=keywords, opaque=opaque)
        guard.register("tool_call", self._name, owner=_identity(target))

    def wrapper(self) -> Any:
        """Return the function that stands in for the governed one."""
        fn = self._fn
        call = fn if inspect.isroutine(fn) or isinstance(fn, functools.partial) else fn.__call__
        if inspect.isasyncgenfunction(call):
            return self._dressed(self._async_generator())
        if inspect.isgeneratorfunction(call):
            return self._dressed(self._generator())
        if inspect.iscoroutinefunction(call):
            return self._dressed(self._coroutine())
        return self._dressed(self._function())

    def _dressed(self, wrapper: Callable[..., Any]) -> Callable[..., Any]:
        fn = self._fn
        if inspect.isroutine(fn):
            return functools.update_wrapper(wrapper, fn)
        # An object or a partial says what it is elsewhere: in its `__call__`, in what it calls.
        inner = self._target if inspect.isroutine(self._target) else self._target.__call__
        functools.update_wrapper(wrapper, inner)
        wrapper.__dict__["__signature__"] = inspect.signature(fn)
        wrapper.__name__ = wrapper.__qualname__ = getattr(fn, "__name__", self._name)
        if self._target is fn:
            wrapper.__doc__ = fn.__doc__
        return wrapper

    def _action(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Action:
        return Action("tool_call", self._name, self._binding.bind(args, kwargs))

    def _function(self) -> Callable[..., Any]:
        guard, target, binding, name = self._guard, self._target, self._binding, self._name
        bind, plain, simple = binding.bind, binding.plain, binding.simple

        def governed(*args: Any, **kwargs: Any) -> Any:
            arguments = bind(args, kwargs)
            opaque = () if plain else binding.by_reference(arguments)
            with guard.authorize_tool(name, arguments, opaque) as permit:
                if simple:
                    result = target(**permit.arguments)
                else:
                    positional, named = binding.spread(permit.arguments)
                    result = target(*positional, **named)
                if type(result) not in _PLAIN and (later := adopted(permit, result)):
                    return later
                return permit.succeeded(result)

        return governed

    def _coroutine(self) -> Callable[..., Any]:
        guard, target, binding = self._guard, self._target, self._binding

        async def governed(*args: Any, **kwargs: Any) -> Any:
            action = self._action(args, kwargs)
            by_reference = binding.by_reference(action.args)
            async with await guard.aauthorize(action, opaque=by_reference) as permit:
                positional, named = binding.spread(permit.arguments)
                result = await target(*positional, **named)
                return await permit.aside(permit.succeeded, result)

        return governed

    def _generator(self) -> Callable[..., Any]:
        guard, target, binding = self._guard, self._target, self._binding

        def governed(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            action = self._action(args, kwargs)
            permit = guard.authorize(action, opaque=binding.by_reference(action.args))
            positional, named = binding.spread(permit.arguments)
            return (yield from relay(permit, target(*positional, **named)))

        return governed

    def _async_generator(self) -> Callable[..., Any]:
        guard, target, binding = self._guard, self._target, self._binding

        async def start(*args: Any, **kwargs: Any) -> tuple[Permit, AsyncIterator[Any]]:
            action = self._action(args, kwargs)
            by_reference = binding.by_reference(action.args)
            permit = await guard.aauthorize(action, opaque=by_reference)
            positional, named = binding.spread(permit.arguments)
            return permit, target(*positional, **named)

        return arelaying(start)


def _taken_apart(fn: Any) -> tuple[Any, tuple[object, ...], dict[str, Any]]:
    """Return the function inside a partial or a bound method, and what is bound already."""
    if isinstance(fn, functools.partial):
        target, first, keywords = _taken_apart(fn.func)
        return target, (*first, *fn.args), {**keywords, **fn.keywords}
    if isinstance(fn, MethodType) and inspect.isfunction(fn.__func__):
        return fn.__func__, (fn.__self__,), {}
    return fn, (), {}


def _name_of(target: Any) -> str:
    name = getattr(target, "__name__", "") or type(target).__name__
    if name == "<lambda>":
        raise ConfigurationError("a lambda has no name that a rule could match; pass `name=`")
    return str(name)


def _identity(target: Any) -> object:
    """Return what tells one governed function from another of the same name."""
    return getattr(target, "__code__", target)
