"""BOX-3: a path is judged as it is written and where it really leads."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from wardline import ActionDenied, Guard, MemoryStore, govern, parse_policies
from wardline.action import Action, Principal
from wardline.decide import decide
from wardline.facts import Facts
from wardline.symlinks import SymbolicLinks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A folder that may be read, beside one that may not."""
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "file").write_text("ours")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("not ours")
    return tmp_path


@pytest.fixture
def reader(box: Path) -> Any:
    guards = []

    def make(condition: str) -> Callable[[str], str]:
        policies = parse_policies(
            "apiVersion: wardline/v1\nname: p\nrules:\n"
            f'- {{name: inside, tool: read, condition: "{condition}", action: allow}}\n'
        )
        guard = Guard(policies, home=box / "home", store=MemoryStore())
        guards.append(guard)

        def read(path: str) -> str:
            with open(path) as file:
                return file.read()

        return govern(read, guard=guard)

    yield make
    for guard in guards:
        guard.close()


def test_BOX_3_a_link_out_of_the_folder_is_refused(box: Path, reader: Any) -> None:
    read = reader(f"has(args.path) && path(args.path).under('{box}/data')")
    assert read(f"{box}/data/file") == "ours"
    (box / "data" / "way-out").symlink_to(box / "secret")
    (box / "data" / "single").symlink_to(box / "secret" / "file")
    (box / "data" / "deep" / "up").symlink_to("../../secret")
    for path in ("way-out/file", "single", "deep/up/file", "way-out/../secret/file"):
        with pytest.raises(ActionDenied):
            read(f"{box}/data/{path}")


def test_BOX_3_dots_after_a_link_lead_where_the_disk_says(box: Path, reader: Any) -> None:
    (box / "data" / "elsewhere").symlink_to(box / "secret")
    read = reader(f"has(args.path) && path(args.path).under('{box}/data')")
    # By its text this is data/file; the disk goes to the folder above `secret`.
    with pytest.raises(ActionDenied):
        read(f"{box}/data/elsewhere/../file")


def test_a_link_inside_the_folder_and_a_folder_that_is_a_link_are_fine(
    box: Path, reader: Any
) -> None:
    (box / "data" / "again").symlink_to("file")
    (box / "here").symlink_to(box / "data")
    assert (
        reader(f"has(args.path) && path(args.path).under('{box}/data')")(f"{box}/data/again")
        == "ours"
    )
    assert (
        reader(f"has(args.path) && path(args.path).under('{box}/here')")(f"{box}/here/file")
        == "ours"
    )


def test_a_path_that_a_condition_puts_together_is_looked_up_too(box: Path, reader: Any) -> None:
    (box / "data" / "single").symlink_to(box / "secret" / "file")
    read = reader(
        f"has(args.path) && path('{box}/data/' + args.path.split('/').join('/')).under('{box}/data')"
    )
    os.chdir(box / "data")
    assert read("file") == "ours"
    with pytest.raises(ActionDenied):
        read("single")


def test_the_record_says_where_a_path_led(box: Path, reader: Any) -> None:
    (box / "data" / "single").symlink_to(box / "secret" / "file")
    with pytest.raises(ActionDenied):
        reader(f"has(args.path) && path(args.path).under('{box}/data')")(f"{box}/data/single")
    lines = [
        json.loads(line)
        for path in (box / "home" / "ledger").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    (refusal,) = [line for line in lines if line.get("type") == "refusal"]
    assert refusal["facts"]["links"] == {f"{box}/data/single": f"{box}/secret/file"}


@pytest.mark.parametrize("path", ["/srv/data/" + "x" * 5000, "/srv/data/\udc80", "/srv/data/\x00"])
def test_a_name_that_no_file_can_have_does_not_raise(reader: Any, path: str) -> None:
    read = reader("has(args.path) && path(args.path).under('/srv/data')")
    with pytest.raises((ActionDenied, OSError)):
        read(path)


def test_links_that_go_in_a_circle_do_not_raise(box: Path, reader: Any) -> None:
    (box / "data" / "a").symlink_to("b")
    (box / "data" / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        reader(f"has(args.path) && path(args.path).under('{box}/data')")(f"{box}/data/a")


def test_conditions_that_ask_for_more_paths_with_every_answer_deny(box: Path, reader: Any) -> None:
    for number in range(9):
        (box / "data" / f"l{number}").symlink_to(box / "secret")
    inside = [f"path('{box}/data/l{number}').under('{box}/data')" for number in range(9)]
    with pytest.raises(ActionDenied, match="more paths with every answer"):
        reader(" || ".join(inside))(f"{box}/data/file")
    assert reader(" || ".join(["path('/srv').under('/')", *inside]))(f"{box}/data/file") == "ours"


def test_decide_alone_judges_the_text_or_what_it_is_told(box: Path) -> None:
    policies = parse_policies(
        "apiVersion: wardline/v1\nname: p\nrules:\n- {name: r, action: allow, "
        "condition: \"has(args.p) && path(args.p).under('/srv')\"}\n"
    )
    action = Action("tool_call", "t", {"p": "/srv/x"})
    assert decide(policies, action, Facts(Principal("a"), {}, {}, 0)).effect == "allow"
    links = SymbolicLinks({"/srv/x": "/etc/passwd"})
    assert decide(policies, action, Facts(Principal("a"), {}, {}, 0, links=links)).effect == "deny"
    assert links.asked == {"/srv"}
