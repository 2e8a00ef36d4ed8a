from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMAND = """
from cyclopts import App

app = App(name="anything")

@app.default
def run(*, loud: bool = False):
    "Do what the other package does."
    print("LOUD" if loud else "quiet")
    return 7
"""


@pytest.fixture
def install(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a distribution with entry points and one module."""
    site = here / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def make(name: str, points: str, **modules: str) -> None:
        info = site / f"{name.replace('-', '_')}-2.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n")
        (info / "entry_points.txt").write_text(points)
        for module, text in modules.items():
            (site / f"{module}.py").write_text(text)
            monkeypatch.delitem(sys.modules, module, raising=False)

    return make


def test_other_packages_add_commands(install, cli):
    install(
        "wardline-extra",
        "[wardline.commands]\nshout = extra_shout:app\nledger.shout = extra_shout:app\n",
        extra_shout=COMMAND,
    )
    assert "shout" in cli("--help").out
    assert "shout" in cli("ledger", "--help").out
    assert (cli("shout", "--loud").code, cli("shout", "--loud").out) == (7, "LOUD\n")
    assert cli("ledger", "shout").out == "quiet\n"
    assert cli("ledger", "verify").code == 5


def test_a_broken_package_is_left_out_and_never_in_the_way(install, cli):
    install(
        "broken",
        "[wardline.commands]\nboom = extra_boom:app\nnone = extra_none:app\n",
        extra_boom="raise SystemError('imported')",
        extra_none="import nothing_of_this_name",
    )
    assert cli("switch", "freeze", "everything", "--reason", "x").code == 0
    assert "extra_boom" not in sys.modules
    ran = cli("boom")
    assert ran.code == 70


def test_a_package_that_cannot_be_imported_is_named(install, cli):
    install(
        "broken",
        "[wardline.commands]\nnone = extra_none:app\nodd = extra_odd:app\nlint = extra_odd:app\n",
        extra_none="import nothing_of_this_name",
        extra_odd="app = 1",
    )
    ran = cli("--help")
    assert ran.code == 0
    assert "`wardline none` of broken is left out: ModuleNotFoundError" in ran.err
    assert "is no cyclopts App" in ran.err
    assert "there is a command of this name already" in ran.err


def test_CLI_4_doctor_names_adapters_packages_and_where_it_knows_them_from(install, cli):
    install("framework-x", "")
    install(
        "wardline-x",
        "[wardline.adapters]\nx = extra_x:adapter\ny = extra_y:adapter\nz = extra_x:lost\n",
        extra_x="class adapter: framework = 'framework-x'\nclass lost: framework = 'no-such-thing'\n",
        extra_y="raise ImportError('the framework is too old')",
    )
    ran = cli("doctor", "--json")
    assert ran.code == 1
    found = {one["what"]: one for one in ran.json["findings"]}
    assert all(one["source"] for one in found.values())
    assert found["wardline-x"]["detail"] == "2.5"
    assert "wardline" in found
    assert found["adapter x"]["detail"] == "framework-x 2.5"
    assert found["adapter x"]["source"] == "entry point extra_x:adapter of wardline-x 2.5"
    assert found["adapter y"]["status"] == found["adapter z"]["status"] == "broken"
    assert "too old" in found["adapter y"]["detail"]


def test_doctor_says_whether_state_ledger_and_policies_can_be_used(agent, cli, here):
    agent.read_file("a")
    (here / "bad.yaml").write_text("nonsense: 1\n")
    ran = cli("doctor", "policy.yaml")
    assert ran.code == 0
    assert "records verified, end not proven" in ran.out
    assert "opens; 0 pending approvals" in ran.out
    assert "loads: 1 document, 2 rules" in ran.out
    bad = cli("doctor", "policy.yaml", "bad.yaml")
    assert bad.code == 1
    assert "run `wardline lint bad.yaml`" in bad.out


COVERAGE = """
from wardline.adapters import Covered

framework = "pytest"

class Agent:
    def __init__(self, **tools):
        self.tools = tools

def coverage(root):
    if not isinstance(root, Agent):
        return []
    return [
        Covered("tool_call", name, "helper", governed, "" if governed else "it was added afterwards")
        for name, governed in root.tools.items()
    ]
"""

APPLICATION = (
    "from extra_adapter import Agent\nagent = Agent(search=True, shell=False)\nnumber = 3\n"
)


def test_ADPT_9_doctor_names_what_no_guard_decides_about(install, cli, here):
    install(
        "wardline-extra", "[wardline.adapters]\nextra = extra_adapter\n", extra_adapter=COVERAGE
    )
    (here / "app.py").write_text(APPLICATION)
    for app in ("app.py", "app.py:agent", "app:agent"):
        ran = cli("doctor", "--app", app)
        assert ran.code == 1, ran.err
        assert "ungoverned  tool_call shell of helper: it was added afterwards" in ran.out
        assert "ok          tool_call search of helper: governed" in ran.out
    found = cli("doctor", "--app", "app.py", "--json").json["findings"]
    assert [one["what"] for one in found if one["status"] == "ungoverned"] == [
        "tool_call shell of helper"
    ]
    (here / "good.py").write_text(APPLICATION.replace("shell=False", "shell=True"))
    assert cli("doctor", "--app", "good.py").code == 0


def test_doctor_says_why_it_cannot_look_at_an_application(install, cli, here):
    install(
        "wardline-extra", "[wardline.adapters]\nextra = extra_adapter\n", extra_adapter=COVERAGE
    )
    (here / "app.py").write_text(APPLICATION)
    (here / "ends.py").write_text("raise SystemExit(3)")
    assert "there is no file nothing.py" in cli("doctor", "--app", "nothing.py").err
    assert "cannot be imported (ModuleNotFoundError" in cli("doctor", "--app", "nothing_here").err
    assert "cannot be imported (SystemExit: 3)" in cli("doctor", "--app", "ends.py").err
    assert "has no `agnt`; it has agent" in cli("doctor", "--app", "app.py:agnt").err
    ran = cli("doctor", "--app", "app.py:number")
    assert ran.code == 1
    assert "(adapters: extra)" in " ".join(ran.err.split())
