"""What adapters of one library have in common: their tickets, and one backstop."""

from __future__ import annotations

import pytest

from wardline import ActionDenied, Guard, parse_policies
from wardline.adapters import Ticket, Tickets


@pytest.fixture
def guard(tmp_path):
    policy = "apiVersion: wardline/v1\nname: p\ndefault_action: allow\n"
    with Guard(parse_policies(policy), home=tmp_path) as guard:
        yield guard


def test_two_adapters_of_one_library_share_their_tickets(guard):
    one, other = Tickets("lib-a", "Do this"), Tickets("lib-a", "Do that")
    with one.running(Ticket(guard, "pay", "1", {"to": "x"})):
        other.check("pay", "1", {"to": "x"})
        with pytest.raises(ActionDenied, match="twice"):
            one.check("pay", "1", {"to": "x"})
    with pytest.raises(ActionDenied, match="Do that"):
        other.check("pay", "1", {"to": "x"})


def test_tickets_of_another_library_are_no_tickets(guard):
    with (
        Tickets("lib-b", "Do this").running(Ticket(guard, "pay", "1", {})),
        pytest.raises(ActionDenied, match="no guard has decided"),
    ):
        Tickets("lib-c", "Do that").check("pay", "1", {})


def test_the_first_of_two_installs_the_backstop():
    assert Tickets("lib-d", "").claim()
    assert not Tickets("lib-d", "").claim()
    assert Tickets("lib-e", "").claim()
