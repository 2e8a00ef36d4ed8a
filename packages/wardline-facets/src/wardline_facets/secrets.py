"""Credentials in a text: `find(text)`.

Tokens of providers are told by their prefix, and by their checksum where they have one; what is
assigned to a name like `password` by the name; the rest by how random it looks, with care.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Final

from wardline_facets.folding import Folded, Hit, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NAMES", "find"]

# Each prefix is searched for as plain text; only where it stands the pattern is tried.
_TOKENS: Final = tuple(
    (name, prefix, re.compile(re.escape(prefix) + rest + r"(?![A-Za-z0-9])"))
    for name, prefixes, rest in (
        ("aws_access_key", "AKIA ASIA ABIA ACCA", r"[A-Z2-7]{16}"),
        ("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9]{36,250}"),
        ("github_token", "github_pat_", r"[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
        (
            "gitlab_token",
            "glpat- gldt- glrt- glcbt- glptt- glft- glimt- glsoat-",
            r"[\w.-]{20,300}",
        ),
        ("slack_token", "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs-", r"[A-Za-z0-9-]{10,250}"),
        ("slack_token", "xapp-", r"\d-[A-Z0-9]{5,20}-\d{5,20}-[a-f0-9]{20,100}"),
        ("slack_token", "hooks.slack.com/services/", r"T\w{5,15}/B\w{5,15}/\w{16,32}"),
        ("stripe_key", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", r"[A-Za-z0-9]{16,250}"),
        ("anthropic_key", "sk-ant-", r"[a-z0-9]{2,12}-[\w-]{20,200}"),
        ("openai_key", "sk-proj- sk-svcacct- sk-admin-", r"[\w-]{20,250}"),
        ("openai_key", "sk-", r"[A-Za-z0-9]{20}(?:T3BlbkFJ[A-Za-z0-9]{20}|[A-Za-z0-9]{28})"),
        ("google_api_key", "AIza", r"[\w-]{35}"),
        ("google_oauth", "GOCSPX-", r"[\w-]{28}"),
        ("google_oauth", "ya29.", r"[\w-]{30,400}"),
        ("jwt", "eyJ", r"[\w-]{10,3000}\.eyJ[\w-]{10,3000}\.[\w-]{10,1000}"),
        ("npm_token", "npm_", r"[A-Za-z0-9]{36}"),
        ("pypi_token", "pypi-AgEI", r"[\w-]{50,500}"),
        ("sendgrid_key", "SG.", r"[\w-]{22}\.[\w-]{43}"),
        ("twilio_key", "SK", r"[0-9a-f]{32}"),
        ("azure_key", "AccountKey= SharedAccessKey=", r"[A-Za-z0-9+/]{43,86}={1,2}"),
        ("huggingface_token", "hf_", r"[A-Za-z0-9]{34,40}"),
        ("digitalocean_token", "dop_v1_ doo_v1_ dor_v1_", r"[a-f0-9]{64}"),
        ("shopify_token", "shpat_ shpca_ shppa_ shpss_", r"[a-fA-F0-9]{32}"),
        ("databricks_token", "dapi", r"[0-9a-f]{32}(?:-\d)?"),
        ("vault_token", "hvs. hvb.", r"[\w-]{24,300}"),
        ("age_key", "AGE-SECRET-KEY-1", r"[0-9A-Z]{58}"),
        ("linear_key", "lin_api_", r"[A-Za-z0-9]{32,64}"),
        ("mailgun_key", "key-", r"[0-9a-f]{32}"),
        ("grafana_token", "glsa_ glc_", r"[A-Za-z0-9_+/=]{32,200}"),
    )
    for prefix in prefixes.split()
)

NAMES: Final = (
    *dict.fromkeys(name for name, _, _ in _TOKENS),
    "azure_client_secret",
    "telegram_token",
    "private_key",
    "url_password",
    "password_assignment",
    "high_entropy",
)
"""The detectors."""


def find(text: str) -> list[Hit]:
    """Return what was found as (detector, start, end), without overlaps, in the order of the text."""
    folded = Folded(text)
    plain = folded.text
    found = [
        hit
        for detect in (_keys, _tokens, _others, _urls, _assignments, _random)
        for hit in detect(plain)
    ]
    return settle(folded, found)


_KEY_BEGIN: Final = re.compile(r"-{4,5} ?BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
_KEY_END: Final = re.compile(r"-{4,5} ?END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
_MAX_KEY: Final = 20_000


def _keys(text: str) -> Iterator[Hit]:
    at = 0
    end = _KEY_END.search(text)
    while begun := _KEY_BEGIN.search(text, at):
        while end and end.start() < begun.end():
            end = _KEY_END.search(text, end.end())
        # Without an end, for the text may be cut short, the mark alone gives it away.
        closed = end and end.start() - begun.end() < _MAX_KEY
        at = end.end() if end and closed else begun.end()
        yield "private_key", begun.start(), at


def _tokens(text: str) -> Iterator[Hit]:
    for name, prefix, pattern in _TOKENS:
        at = text.find(prefix)
        while at >= 0:
            before = text[at - 1 : at]
            found = None if before.isalnum() else pattern.match(text, at)
            if found and (name != "github_token" or _is_github(found[0])):
                yield name, at, found.end()
            at = text.find(prefix, found.end() if found else at + len(prefix))


_LEAST_DIFFERENT: Final = 12
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _is_github(token: str) -> bool:
    """Whether it is more than a prefix: the checksum is right, or the rest looks random.

    The last six of 36 characters are the CRC-32 of the others, in base 62. What fails it may have been
    cut or changed on its way, and is no placeholder yet.
    """
    if len(set(token[4:])) >= _LEAST_DIFFERENT:
        return True
    rest = zlib.crc32(token[4:-6].encode())
    digits = ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = _BASE62[digit] + digits
    return digits == token[-6:]


_AZURE: Final = re.compile(r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34}(?![\w~-])")
_TELEGRAM: Final = re.compile(r"(?<!\d)\d{8,10}:AA[\w-]{33}(?![\w-])")


def _others(text: str) -> Iterator[Hit]:
    if "Q~" in text:
        for found in _AZURE.finditer(text):
            yield "azure_client_secret", found.start(), found.end()
    if ":AA" in text:
        for found in _TELEGRAM.finditer(text):
            yield "telegram_token", found.start(), found.end()


_USERINFO: Final = re.compile(r"://[^\s/?#@:'\"<>]{0,100}:([^\s/?#@'\"<>]{3,200})@")


def _urls(text: str) -> Iterator[Hit]:
    if "://" in text:
        for found in _USERINFO.finditer(text):
            if not _is_placeholder(found[1]):
                yield "url_password", found.start(1), found.end(1)


_WORDS: Final = (
    "password", "passwd", "passphrase", "passwort", "pwd", "secret", "api_key", "api-key", "apikey",
    "access_key", "access-key", "accesskey", "auth_token", "access_token", "refresh_token",
    "authtoken", "accesstoken", "client_secret", "secret_key", "private_key", "credential",
    "encryption_key", "_token", "bearer ",
)  # fmt: skip
_VALUE: Final = re.compile(
    r"[\w.-]{0,30}[\"']?[ \t]{0,4}(?::=|=>|[:=])[ \t]{0,4}(?:\"([^\"\n]{6,200})\"|'([^'\n]{6,200})'"
    r"|([^\s\"'`;,&<>(){}\[\]|]{8,200}))"
)
_BEARER: Final = re.compile(r"()()([\w.~+/-]{16,500}={0,2})")
_PLACEHOLDER: Final = re.compile(
    r"(?i)[$%<{\[(*].*|.*(?:example|placeholder|change.?me|your[_\- ]|dummy|redacted|\.\.\.|…|xxxx|\*\*\*).*"
    r"|(?:none|null|true|false|undefined|required|optional|string|password|secret)\W?|(.)\1*"
)
_CODE: Final = re.compile(
    r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[a-z]+(?:[_-][a-z]+)*|[A-Z]+(?:_[A-Z]+)*"
)
_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def _is_placeholder(value: str) -> bool:
    return _PLACEHOLDER.fullmatch(value) is not None


def _counts(word: str, value: str) -> bool:
    """`max_tokens: 100000000` counts."""
    return word == "_token" and value.replace(".", "").isdigit()


def _assignments(text: str) -> Iterator[Hit]:
    lower = text.translate(_LOWER)
    for word in _WORDS:
        at = lower.find(word)
        while at >= 0:
            end = at + len(word)
            found = (_BEARER if word == "bearer " else _VALUE).match(text, end)
            if found:
                place = next(group for group in (1, 2, 3) if found[group])
                value = found[place]
                # Without quotes a name or a call may stand there instead of a value.
                named = place == 3 and (
                    _CODE.fullmatch(value)
                    or _counts(word, value)
                    or (value.isidentifier() and text.startswith("(", found.end()))
                )
                if not named and not _is_placeholder(value):
                    yield "password_assignment", found.start(place), found.end(place)
                    end = found.end()
            at = lower.find(word, end)


_RANDOM: Final = re.compile(r"(?<![\w+/=.-])[A-Za-z0-9+/_-]{28,200}={0,2}(?![\w+/=-])")
_LEAST_ENTROPY: Final = 4.3


def _random(text: str) -> Iterator[Hit]:
    for found in _RANDOM.finditer(text):
        value = found[0].rstrip("=")
        # Hashes are everywhere, and so are integrity values, paths, and names in camel case.
        if (
            value.startswith(("sha256-", "sha384-", "sha512-"))
            or value.count("/") > len(value) // 12
        ):
            continue
        letters = (
            sum(map(str.isupper, value)),
            sum(map(str.islower, value)),
            sum(map(str.isdigit, value)),
        )
        if (
            min(letters) < 3
            or letters[2] > len(value) * 0.6
            or value.count("-") + value.count("_") > 3
        ):
            continue
        if _entropy(value) >= _LEAST_ENTROPY:
            yield "high_entropy", found.start(), found.end()


def _entropy(value: str) -> float:
    """Bits per character, as the characters of the value itself are distributed."""
    length = len(value)
    return -sum(n / length * math.log2(n / length) for n in Counter(value).values())
