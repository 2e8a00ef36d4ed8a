"""`secrets(…)`: credentials in a text.

The examples are put together when the test runs, so that the file itself holds none.
"""

from __future__ import annotations

import random
import string
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline_facets.secrets import NAMES, find

SOURCE = random.Random(3)
LETTERS = string.ascii_letters + string.digits
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def some(length: int, chars: str = LETTERS) -> str:
    return "".join(SOURCE.choice(chars) for _ in range(length))


def github(prefix: str, body: str) -> str:
    check, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        check, digit = divmod(check, 62)
        digits = BASE62[digit] + digits
    return f"{prefix}_{body}{digits}"


HEX = "0123456789abcdef"
EXAMPLES = [
    ("aws_access_key", "AKIA" + some(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
    ("github_token", github("ghp", some(30))),
    ("github_token", github("gho", some(30))),
    ("github_token", f"github_pat_{some(22)}_{some(59)}"),
    ("gitlab_token", "glpat-" + some(20)),
    ("slack_token", f"xoxb-{some(12, string.digits)}-{some(24)}"),
    ("slack_token", f"hooks.slack.com/services/T{some(9)}/B{some(9)}/{some(24)}"),
    ("stripe_key", "sk_live_" + some(24)),
    ("anthropic_key", "sk-ant-api03-" + some(93)),
    ("openai_key", "sk-proj-" + some(48)),
    ("openai_key", f"sk-{some(20)}T3BlbkFJ{some(20)}"),
    ("google_api_key", "AIza" + some(35)),
    ("google_oauth", "GOCSPX-" + some(28)),
    ("jwt", f"eyJ{some(30)}.eyJ{some(60)}.{some(43)}"),
    ("npm_token", "npm_" + some(36)),
    ("pypi_token", "pypi-AgEIcHlwaS5vcmc" + some(90)),
    ("sendgrid_key", f"SG.{some(22)}.{some(43)}"),
    ("twilio_key", "SK" + some(32, HEX)),
    ("azure_key", f"AccountKey={some(86)}=="),
    ("azure_client_secret", f"{some(3)}8Q~{some(34)}"),
    ("huggingface_token", "hf_" + some(34)),
    ("digitalocean_token", "dop_v1_" + some(64, HEX)),
    ("shopify_token", "shpat_" + some(32, HEX)),
    ("databricks_token", "dapi" + some(32, HEX)),
    ("vault_token", "hvs." + some(40)),
    ("age_key", "AGE-SECRET-KEY-1" + some(58, string.digits + string.ascii_uppercase)),
    ("linear_key", "lin_api_" + some(40)),
    ("mailgun_key", "key-" + some(32, HEX)),
    ("grafana_token", "glsa_" + some(32)),
    ("telegram_token", f"123456789:AA{some(33)}"),
    ("private_key", f"-----BEGIN RSA PRIVATE KEY-----\n{some(64)}\n-----END RSA PRIVATE KEY-----"),
    ("private_key", "-----BEGIN PGP PRIVATE KEY BLOCK-----"),
    ("high_entropy", "q7Rk2VxZ9mT4Lw8bYc3Nf6Hd1Jg5PsAu"),
]


def test_every_detector_has_an_example() -> None:
    assert {name for name, _ in EXAMPLES} | {"url_password", "password_assignment"} == set(NAMES)


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_it_is_found_where_it_stands(name: str, text: str) -> None:
    assert find(text) == [(name, 0, len(text))]
    assert find(f"use {text} here") == [(name, 4, 4 + len(text))]
    assert find(f"({text}, '{text}')") == [
        (name, 1, 1 + len(text)),
        (name, 4 + len(text), 4 + 2 * len(text)),
    ]


FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_writing_it_otherwise_does_not_hide_it(name: str, text: str) -> None:
    wide = text.translate(FULL_WIDTH)
    assert find(f"é {wide}") == [(name, 2, 2 + len(wide))]
    spread = "\u200b".join(text)
    assert find(f"é {spread}") == [(name, 2, 2 + len(spread))]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password = hunter2-hunter2", "hunter2-hunter2"),
        ('PASSWORD="correct horse battery"', "correct horse battery"),
        ('{"db_password": "s3cr3t-value"}', "s3cr3t-value"),
        ("API_KEY: a8f5f167f44f4964e6c998de", "a8f5f167f44f4964e6c998de"),
        (
            "aws_secret_access_key=wJalrXUtnFEMIK7MDENGbPxRfiCYzzKEYz12",
            "wJalrXUtnFEMIK7MDENGbPxRfiCYzzKEYz12",
        ),
        ("Authorization: Bearer abcDEF123456.xyz-789", "abcDEF123456.xyz-789"),
        ("pwd := 'tr0ub4dor&3'", "tr0ub4dor&3"),
    ],
)
def test_what_is_assigned_to_a_telling_name(text: str, value: str) -> None:
    at = text.index(value)
    assert find(text) == [("password_assignment", at, at + len(value))]


def test_the_password_of_an_address() -> None:
    text = "postgres://app:p4ss-w0rd!@db.example:5432/x"
    assert find(text) == [("url_password", 15, 25)]


def test_a_checksum_tells_a_token_from_a_placeholder() -> None:
    assert [name for name, _, _ in find(github("ghp", "x" * 30))] == ["github_token"]
    assert find("ghp_" + "x" * 36) == []
    changed = github("ghp", some(30))[:-1] + "0"
    assert [name for name, _, _ in find(changed)] == ["github_token"]


@pytest.mark.parametrize(
    "text",
    [
        "password = os.environ['DB_PASSWORD']", "password: ${DB_PASSWORD}", "password: <your password>",
        "password=changeme-please", 'password = "********"', "password = get_password", "password: string",
        "def f(password: Optional[str] = None) -> None:", "token = next(tokens)", "const password = getPassword()", "secret_key = settings.SECRET_KEY",
        "api_key=YOUR_API_KEY_HERE", "The password must be at least twelve characters.", "max_tokens: 4096000000",
        "3f786850e387550fdab836ed7e6dc881de23001b", "550e8400-e29b-41d4-a716-446655440000",
        "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg8E9bOQqJ6cZ1mT2kTq3zV0==", "/usr/local/lib/python3.11/site-packages",
        "thisIsAVeryLongCamelCaseIdentifierWithoutDigits", "some-very-long-branch-name-with-many-words-2024",
        "AKIA1234", "ghp_short", "sk-learn", "hf_hub_download", "npm_config_registry", "key-value", "eyJ",
        "d41d8cd98f00b204e9800998ecf8427e", "https://example.com/a:b@c", "AbstractSingletonProxyFactoryBean2",
        "-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert find(text) == []


@given(st.text() | st.text("aA1_-=:./ \"'ghpsk\u200bＡ"))
def test_hits_are_in_order_and_apart(text: str) -> None:
    hits = find(text)
    assert hits == find(text)
    end = 0
    for name, start, stop in hits:
        assert name in NAMES
        assert end <= start < stop <= len(text)
        end = stop


@pytest.mark.parametrize(
    "part",
    ["sk-", "ghp_", "eyJ", "eyJaaaaaaaaaaa.", "AKIA", "password=", "password", "secret=a ", "://a:b", "-----BEGIN ",
     "-----BEGIN PRIVATE KEY-----", "a", "aB3", "SG.", "key-", "bearer a", "pypi-AgEI", "hvs.", "é", "Ａ", "=",
     'password="', "aQ~", "1:AA", "xoxb-", "hooks.slack.com/services/T"],
)  # fmt: skip
def test_hostile_texts_take_bounded_time(part: str) -> None:
    text = (part * 100_000)[:100_000]
    start = time.process_time()
    find(text)
    assert time.process_time() - start < 1
