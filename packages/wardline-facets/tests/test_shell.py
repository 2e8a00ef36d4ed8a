"""`shell(…)`: what a command line does."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wardline_facets.shell import MAX_CHARACTERS, table, view
from wardline_facets.shell.handlers import HANDLERS
from wardline_facets.shell.subcommands import SUBCOMMANDS

CASES = yaml.safe_load(
    (Path(__file__).parents[1] / "evasions" / "shell.yaml").read_text(encoding="utf-8")
)
EVASIONS = [case["text"] for case in CASES["evasions"]]
HARMLESS = [case["text"] for case in CASES["harmless"]]


def harmless(found: dict[str, Any]) -> bool:
    return not (found["writes"] or found["network"] or found["opaque"])


def test_the_shape() -> None:
    assert view("cat a.txt | sort > b.txt; git push") == {
        "programs": ["cat", "sort", "git"],
        "writes": True,
        "network": True,
        "opaque": False,
    }


@pytest.mark.parametrize(
    ("text", "programs"),
    [
        ("/usr/bin/rm -f a", ["rm"]),
        ("sudo -u root env A=1 nohup rm a", ["sudo", "env", "nohup", "rm"]),
        ("c''u\"r\"l http://x.example", ["curl"]),
        ("find . -exec rm {} + -o -exec grep x {} \\;", ["find", "rm", "grep"]),
        ("bash -c 'ls; bash -c \"rm a\"'", ["bash", "ls", "rm"]),
        ("ls $(git log $(rm a))", ["ls", "git", "rm"]),
        ("ls | xargs -n1 rm", ["ls", "xargs", "rm"]),
        ("ls && ls || ls", ["ls"]),
        ("bash.exe -c ls", ["bash", "ls"]),
        ("python3 -m pip install x", ["python3", "pip"]),
        ("if true; then rm a; fi", ["true", "rm"]),
    ],
)
def test_BOX_2_every_command_is_named(text: str, programs: list[str]) -> None:
    assert view(text)["programs"] == programs


@pytest.mark.parametrize(
    "text",
    ["if ; then", "ls (", "ls '", 'echo "', "`", "case x in", "a b (c)", "for", "$(", "<<", ""],
)
def test_BOX_5_what_cannot_be_parsed_is_opaque_and_nothing_is_fine(text: str) -> None:
    assert view(text)["opaque"] is bool(text)


@pytest.mark.parametrize(
    ("text", "writes", "network", "opaque"),
    [
        ("git log", False, False, False),
        ("git commit -m x", True, False, False),
        ("git push", False, True, False),
        ("git log --outp=f", True, False, False),
        ("git frobnicate", False, False, True),
        ('git log "$x"', False, False, True),
        ('git log -- "$x"', False, False, False),
        ("cd src && git status", False, False, False),
        ("cd /tmp/x && git status", False, False, True),
        ("frobnicate", False, False, True),
        ("CURL x", False, False, True),
        ("find . -name x -delete", True, False, False),
        ('find . -name "$x"', False, False, False),
        ('find "$x"', False, False, True),
        ("sort a -o b", True, False, False),
        ("sort ./*.txt", False, False, False),
        ("sort *.txt", False, False, True),
        ("sed -n 1p a -i", True, False, False),
        ("sed -n 1p -- -i", False, False, False),
        ("sort src/$x", False, False, True),
        ('sort "src/$x"', False, False, False),
        ("find src/$x", False, False, True),
        ("git log --format=$x", False, False, True),
        ("x=1; command read x < a; echo $((x))", False, False, True),
        ("x=1; eval 'x=y'; echo $((x))", False, False, True),
        ("while true; do git status; cd /tmp/x; done", False, False, True),
        ("git2 log", False, False, True),
        ("git.exe log", False, False, True),
        ("python3.11 -m pytest", False, False, False),
        ("pytest -q tests", False, False, False),
        ("pytest -q ../tests", False, False, True),
        ("cd /tmp && pytest", False, False, True),
        ("x=1; echo $((x + 1))", False, False, False),
        ("x=$(cat a); echo $((x + 1))", False, False, True),
        ("x=1; while true; do echo $((x)); read x; done", False, False, True),
        ("echo $((x + 1)); x=1", False, False, True),
        ("[ $x = a ]", False, False, True),
        ('[ "$x" = a ]', False, False, False),
        ("[ a > b ]", False, False, True),
        ("tar tf a.tar", False, False, False),
        ("tar tf host:a.tar", False, True, True),
        ("echo x 2>&1 >/dev/null", False, False, False),
        ("kubectl get pods --server=x", False, True, True),
        ("cat <<'EOF'\n$(rm a)\nEOF", False, False, False),
        ("cat <<EOF\n$(rm a)\nEOF", True, False, False),
        ("cat <<EOF\nx\nEOF\nrm a", True, False, False),
        ("cat <<EOF; rm a\nx\nEOF", False, False, True),
        ("cat <<'EOF' | sh\nls\nEOF", False, False, True),
        ("python3 --version", False, False, False),
        ("python3 x.py", False, False, True),
        ("sudo ls", False, False, True),
    ],
)
def test_what_options_and_words_make_of_a_program(
    text: str, writes: bool, network: bool, opaque: bool
) -> None:
    found = view(text)
    assert (found["writes"], found["network"], found["opaque"]) == (writes, network, opaque)


def test_unknown_programs_and_programs_elsewhere_are_never_harmless() -> None:
    for name in table.READS:
        assert harmless(view(f"{name} a b"))
        assert view(f"./{name} a b")["opaque"]
        assert view(f"/tmp/{name} a b")["opaque"]
        assert view(f"{name}x a b")["opaque"] or f"{name}x" in table.READS


def test_every_name_has_one_meaning() -> None:
    lists = [
        table.READS, table.WRITES, table.NETWORK, table.WRITES_AND_NETWORK, table.OPAQUE,
        set(table.WRAPPERS), set(SUBCOMMANDS), set(table.ROWS) - set(HANDLERS),
    ]  # fmt: skip
    names = [name for names in lists for name in names]
    assert sorted(names) == sorted(set(names))


@given(st.text() | st.text(" \n;|&()$`\"'\\{}<>[]*#=!-~aelsrm"))
def test_any_text_has_an_answer(text: str) -> None:
    found = view(text)
    assert set(found) == {"programs", "writes", "network", "opaque"}
    assert found == view(text)
    assert not found["programs"] or text.strip()


def test_lone_surrogates_and_nul_are_opaque() -> None:
    for text in ("ls \ud800", "ls \0", "\udfff", "ls '\ud800'"):
        assert view(text)["opaque"]


WRAPS = [
    "{}\nls", "ls\n{}", "  \t{}", "(\n{}\n)", "{{\n{}\n}}", "if true; then\n{}\nfi", "true &&\n{}",
    "while true; do\n{}\nbreak; done", "ls &\n{}", "echo $(\n{}\n)", "# ls\n{}", "! true ||\n{}",
    "for f in a; do\n{}\ndone", "case a in a)\n{}\n;; esac",
]  # fmt: skip


@given(st.sampled_from(EVASIONS), st.lists(st.sampled_from(WRAPS), min_size=1, max_size=3))
def test_an_evasion_stays_one_wherever_it_stands(text: str, wraps: list[str]) -> None:
    for wrap in wraps:
        text = wrap.format(text)
    assert not harmless(view(text))


PLAIN = [
    text for text in EVASIONS if text.split()[0].isalpha() and text.isascii() and "<<" not in text
]


@given(st.sampled_from(PLAIN), st.data())
def test_quoting_a_name_hides_nothing(text: str, data: st.DataObject) -> None:
    name, rest = text.split()[0], text[len(text.split()[0]) :]
    at = data.draw(st.integers(0, len(name) - 1))
    quoted = data.draw(st.sampled_from(["''{}", '""{}', "\\{}", "'{}'", '"{}"', "$'{}'"]))
    assert not harmless(view(name[:at] + quoted.format(name[at]) + name[at + 1 :] + rest))


@given(st.sampled_from(EVASIONS), st.sampled_from([" ", "\t", "  "]))
def test_more_white_space_hides_nothing(text: str, space: str) -> None:
    assert not harmless(view(text.replace(" ", space)))


def test_threads_get_the_same_answers() -> None:
    texts = (EVASIONS + HARMLESS)[::3] * 2
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(view, texts)) == [view(text) for text in texts]


def test_hostile_texts_take_bounded_time() -> None:
    parts = [
        "(", "$(", "`", '"$(', "a=(", "a|", "f(){ ", "case a in b)", "[[ ", "{a,", "<<A\n", "$((", "x=1;",
        "'", '"', "${x:-", "\\\n", "if ls;then ", "for x in a;do ", 'eval "', "bash -c '", "ls;", "a ",
    ]  # fmt: skip
    for part in parts:
        for length in (MAX_CHARACTERS, 100_000):
            text = (part * length)[:length]
            start = time.process_time()
            view(text)
            assert time.process_time() - start < 1, part
    assert view("ls " * MAX_CHARACTERS) == {
        "programs": [],
        "writes": False,
        "network": False,
        "opaque": True,
    }


FRAGMENTS = [
    " a", " b.txt", " -l", " ls", " | wc", " ; ls", "\n", "'", '"', "\\", "$", "`", "(", ")", "{", "}", ";",
    "&", "|", "#", " ", "$(", "${", "$x", "''", "<", ">", "<<EOF\n", "\nEOF\n", "!", "[ ", " ]", "[[ ", " ]]",
    "*", "~", "\\\n", "$((", "))", "`ls`", "$(ls)", "--", "$'", '$"', "&&", "||", "x=", "case x in ", " in ",
    " esac", " done", " do ", " fi", " then ", "if ", "time ", "<(", "2>&1", "a[", "]", ",", "{a,b}",
]  # fmt: skip


BASH = shutil.which("bash")


@pytest.mark.skipif(BASH is None, reason="needs bash")
def test_bash_starts_nothing_that_a_harmless_text_does_not_name(tmp_path: Path) -> None:
    """Random changes to harmless commands, run by a restricted bash that finds only stand-ins."""
    folder, log = tmp_path / "bin", tmp_path / "log"
    folder.mkdir()
    stub = folder / "stub"
    stub.write_text(f"#!{BASH}\nprintf '%s\\n' \"${{0##*/}}\" >> '{log}'\n")
    stub.chmod(0o755)
    known = table.READS | table.WRITES | table.NETWORK | set(table.ROWS) | set(table.WRAPPERS)
    for name in sorted((known | set(SUBCOMMANDS) | set(HANDLERS)) - {".", "[", "[[", ":", "stub"}):
        (folder / name).symlink_to("stub")
    source = random.Random(11)
    ran = 0
    for _ in range(4000):
        text = source.choice(HARMLESS)
        for _ in range(source.randint(1, 4)):
            at = source.randint(0, len(text))
            text = text[:at] + source.choice(FRAGMENTS) + text[at + source.choice((0, 0, 1)) :]
        found = view(text)
        if not harmless(found) or "while" in text or "until" in text:
            continue
        work = tmp_path / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        log.write_text("")
        done = subprocess.run(
            [BASH, "-r", "-c", text],
            cwd=work,
            env={"PATH": os.fspath(folder), "HOME": os.fspath(work)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
        ran += 1
        assert set(log.read_text().split()) <= set(found["programs"]), text
        assert list(work.iterdir()) == [], text
        refused = [line for line in done.stderr.split(b"\n") if b"cannot redirect output" in line]
        assert all(b"/dev/null" in line or b"/dev/std" in line for line in refused), text
        if ran == 150:
            return
    pytest.fail("too few texts were run to mean anything")
