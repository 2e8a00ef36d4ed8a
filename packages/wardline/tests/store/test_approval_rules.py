from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline.errors import ConfigurationError
from wardline.store import Requirement
from wardline.store.approvals import satisfied

PEOPLE = ["a", "b", "c", "d", "e"]


def ask(*approvers: str, quorum: int = 1, apart: bool = False) -> Requirement:
    return Requirement("doc", "rule", approvers, quorum, apart)


def test_one_person_may_satisfy_several_rules() -> None:
    assert satisfied((ask("a"), ask("a", "b")), ["a"])


def test_separation_of_duties_does_not_share_its_people() -> None:
    requirements = (ask("a", apart=True), ask("a", "b"))
    assert not satisfied(requirements, ["a"])
    assert satisfied(requirements, ["a", "b"])


def test_the_choice_of_people_is_made_so_that_it_works() -> None:
    requirements = (ask("a", "b", apart=True), ask("a"))
    assert satisfied(requirements, ["a", "b"])
    assert not satisfied(requirements, ["a"])


def test_nothing_asked_is_nothing_approved() -> None:
    assert not satisfied((), ["a"])


def test_APPR_4_a_quorum_of_nobody_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="quorum"):
        ask("a", quorum=0)


def test_many_people_and_rules_are_decided_quickly() -> None:
    names = [f"p{n}" for n in range(40)]
    requirements = tuple(ask(*names, quorum=9, apart=True) for _ in range(5))
    assert not satisfied(requirements, names)
    assert satisfied(requirements[:4], names)


def by_trying(requirements: list[Requirement], people: list[str]) -> bool:
    """Give every person one role of their own, or the role that all shared rules see."""
    apart = [i for i, wanted in enumerate(requirements) if wanted.separation_of_duties]
    for roles in product([-1, *apart], repeat=len(people)):
        held = list(zip(people, roles, strict=True))
        if all(
            sum(by in r.approvers and role == (i if i in apart else -1) for by, role in held)
            >= r.quorum
            for i, r in enumerate(requirements)
        ):
            return True
    return False


@given(
    st.lists(
        st.builds(
            lambda approvers, quorum, apart: ask(*approvers, quorum=quorum, apart=apart),
            st.sets(st.sampled_from(PEOPLE), min_size=1),
            st.integers(1, 3),
            st.booleans(),
        ),
        min_size=1,
        max_size=3,
    ),
    st.lists(st.sampled_from(PEOPLE), unique=True),
)
def test_satisfied_agrees_with_trying_everything(
    requirements: list[Requirement], people: list[str]
) -> None:
    assert satisfied(requirements, people) == by_trying(requirements, people)
