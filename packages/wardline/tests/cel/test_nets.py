"""`path()` and `url()` as an attacker would try them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline.cel.nets import folder_problem, path, url


@pytest.mark.parametrize(
    ("text", "under", "escapes"),
    [
        ("/srv/data", True, False),
        ("/srv/data/", True, False),
        ("/srv/data/a.txt", True, False),
        ("//srv//data/./a", True, False),
        ("/srv/data/x/../y", True, False),
        ("/srv/other/../data/y", True, False),
        ("/srv/database", False, False),
        ("/srv/data/../other", False, False),
        ("/srv/data/../../etc/passwd", False, False),
        ("/../srv/data/a", True, True),
        ("/..", False, True),
        ("srv/data/a", False, False),
        ("a/../../b", False, True),
        ("..", False, True),
        ("", False, True),
        ("~/a", False, True),
        ("~root/a", False, True),
        ("/srv/data/~a", True, False),
        ("/srv/data\\..\\..\\etc", False, True),
        ("/srv/data/a\0b", False, True),
        ("/srv/data/a\nb", False, True),
        ("/srv/data/...", True, False),
        ("/srv/data/\uff0e\uff0e/x", True, False),  # full-width dots are an ordinary name to POSIX
    ],
)
def test_path(text: str, under: bool, escapes: bool) -> None:
    view = path(text)
    assert (view.under(path("/srv/data")), view.escapes) == (under, escapes)


def test_everything_absolute_is_under_the_root() -> None:
    assert path("/etc").under(path("/"))
    assert not path("etc").under(path("/"))


@pytest.mark.parametrize("folder", ["srv", "", "~/a", "/a/../b", "/a\\b", "/a\0"])
def test_a_folder_must_be_absolute_and_plain(folder: str) -> None:
    assert folder_problem(folder)


@pytest.mark.parametrize(
    ("text", "scheme", "host"),
    [
        ("https://Example.COM/a", "https", "example.com"),
        ("HTTPS://example.com.:443", "https", "example.com"),
        ("http://user:pw@example.com:80/", "http", "example.com"),
        ("http://good.com@evil.example/", "http", "evil.example"),
        ("http://good.com:80@evil.example/", "http", "evil.example"),
        ("http://evil.example#@good.com/", "http", "evil.example"),
        ("http://evil.example?@good.com/", "http", "evil.example"),
        ("http://evil.example/@good.com/", "http", "evil.example"),
        ("http://xn--bcher-kva.example/", "http", "xn--bcher-kva.example"),
        ("http://8.8.8.8/", "http", "8.8.8.8"),
        ("http://[2606:4700:4700::1111]/", "http", "[2606:4700:4700::1111]"),
    ],
)
def test_public_addresses(text: str, scheme: str, host: str) -> None:
    view = url(text)
    assert (view.scheme, view.host, view.is_private) == (scheme, host, False)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/",
        "http://0x7f.1/", "http://0177.0.0.1/", "http://017700000001/", "http://0/",
        "http://0.0.0.0:8080/", "http://10.0.0.1/", "http://172.31.255.255/", "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/", "http://100.64.0.1/", "http://100.127.255.254/",
        "http://168.63.129.16/", "http://192.0.0.192/", "http://198.18.0.1/", "http://224.0.0.1/",
        "http://255.255.255.255/", "http://240.0.0.1/", "http://[::1]/", "http://[::]/",
        "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::ffff:10.0.0.1]/",
        "http://[fe80::1%25eth0]/", "http://[fc00::1]/", "http://[fd00:ec2::254]/",
        "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[::127.0.0.1]/",
        "http://[ff02::1]/", "http://localhost/", "http://LOCALHOST./", "http://a.localhost/",
        "http://printer.local/", "http://db.internal/", "http://metadata.google.internal/",
        "http://intranet/", "http://user@127.0.0.1/", "http://good.com@127.0.0.1/",
    ],
)  # fmt: skip
def test_private_addresses(text: str) -> None:
    view = url(text)
    assert view.is_private
    assert view.scheme == "http"


@pytest.mark.parametrize(
    "text",
    [
        "", "example.com", "//example.com/", "/example.com", "example.com/http://a.com",
        "http:example.com", "http:/example.com", "http://", "http:///evil.com", "http://?a",
        "http://example.com\\@evil.com/", "http:\\\\evil.com", "http://exa\tmple.com/",
        "http://exam\nple.com/", "java\nscript:alert(1)", " http://example.com", "http://a b.com/",
        "http://a@b@example.com/", "http://exa%6dple.com/", "http://%31%32%37.0.0.1/",
        "http://127。0。0.1/", "http://\uff11\uff12\uff17.0.0.1/", "http://ⓔxample.com/", "http://bücher.de/",
        "http://example.com:80:80/", "http://example.com:x/", "http://[::1/", "http://[]/",
        "http://[::1]x/", "http://[v1.a]/", "http://example..com/", "http://.example.com/",
        "http://-a.com/", "http://a.com;b.com/", "http://1.2.3.4.5/", "http://256.1.1.1/",
        "http://1.2.3.08/", "http://0x.com.0x1/", "http://a.com../", "http://" + "a." * 130 + "com/",
        "http://99999999999/", "mailto:a@example.com", "javascript:alert(1)", "file:///etc/passwd",
        "data:text/plain,x", "http://example.com\x7f/", "http://exämple.com@good.com/", "\ud800://a",
        "http://\ud800.com/",
    ],
)  # fmt: skip
def test_an_address_without_a_plain_host_is_private(text: str) -> None:
    view = url(text)
    assert view.host == "" or "." not in view.host
    assert view.is_private


def test_a_scheme_without_a_host_is_still_seen() -> None:
    assert url("JavaScript:alert(1)").scheme == "javascript"
    assert url("file:///etc/passwd").scheme == "file"
    assert url("java\nscript:alert(1)").scheme == ""


@given(st.text() | st.text("http://[]:@.%0x127\\#?ae\t").map(lambda tail: "http://" + tail))
def test_any_text_has_an_answer(text: str) -> None:
    view = url(text)
    assert view.host or view.is_private
    assert not view.host or view.host == view.host.lower()
    assert type(path(text).escapes) is bool
    assert type(path(text).under(path("/a"))) is bool


@given(st.lists(st.sampled_from(["a", "b", ".", "..", "", "c c"]), max_size=12))
def test_under_agrees_with_a_resolution_step_by_step(parts: list[str]) -> None:
    place: list[str] = []
    climbed = False
    for part in parts:
        if part == "..":
            climbed |= not place
            place = place[:-1]
        elif part not in ("", "."):
            place.append(part)
    view = path("/" + "/".join(parts))
    assert view.under(path("/a/b")) == (place[:2] == ["a", "b"])
    assert view.escapes == climbed
