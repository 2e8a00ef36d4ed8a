"""Approvers that the configuration of a guard maps to nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.policy.people import answerable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wardline.errors import Problem
    from wardline.policy.model import Document

__all__ = ["check"]


def check(document: Document, approvers: Mapping[str, Sequence[str]] | None) -> Iterator[Problem]:
    """Yield what asks names that stand for nobody; nothing where no configuration is given."""
    if approvers is None:
        return
    unmapped = [name for name in document.approvers if not answerable((name,), approvers)]
    for name in unmapped:
        place = document.places.get("approvers", (1, 1))
        yield document.source.problem(_nobody(name), *place, _HINT.format(name))
    for rule in document.rules:
        for name in rule.approvers:
            if not answerable((name,), approvers):
                message = f"rule `{rule.name}`: {_nobody(name)}"
                yield document.source.problem(message, rule.line, rule.column, _HINT.format(name))


_HINT = "map it, as in `--approver {}=os:alice`, or name a principal such as os:alice"


def _nobody(name: str) -> str:
    return f"nobody can answer for the approver `{name}`"
