"""Any decision point that speaks the AuthZEN Authorization API 1.0, asked over HTTP.

An answer counts if it has status 200 and a boolean `decision`. An obligation turns a permit into a
denial, because nobody here could meet it. Redirects are not followed.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import ssl
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from wardline import EngineError, Verdict
from wardline_engines.authzen_terms import evaluation, template
from wardline_engines.json_forms import read_json, sentence
from wardline_engines.settings import Settings
from wardline_engines.wire import Client, over_tcp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wardline import Engine
    from wardline_engines.wire import Answer

__all__ = ["KEYS", "open"]

KEYS: Final[Mapping[str, str]] = {
    "url": "the address of the decision point",
    "path": "the path of its evaluations, /access/v1/evaluation by default",
    "headers_from_env": "headers to send, each with the environment variable that holds its value",
    "ca": "a file with the certificates that its own must come from",
    "allow_http": "true to ask another machine without TLS",
    "mapping": "what subject, action, resource and context are",
}

_EVALUATION: Final = "/access/v1/evaluation"
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host"}
    | {"transfer-encoding", "x-request-id"}
)
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)


def open(settings: Mapping[str, Any], read: Callable[[str], bytes]) -> Engine:
    """Open a decision point. Nothing is sent yet. Raises `EngineError` for settings that are wrong."""
    found = Settings(settings, read)
    told = template(found.value("mapping") if "mapping" in found else {})
    client, base = _client(found)
    path = found.text("path", _EVALUATION)
    if not re.fullmatch(r"/[!-~]*", path) or "#" in path:
        raise EngineError(f"`{path}` is no path: it begins with / and has no spaces", "path")
    return _DecisionPoint(client, base + path, _headers(found), told)


def _client(settings: Settings) -> tuple[Client, str]:
    """Return how to reach the decision point, and the path that its address begins with."""
    if "url" not in settings:
        raise EngineError("`with:` needs `url`: the address of the decision point")
    url = settings.text("url")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except ValueError as error:
        raise EngineError(f"`{url[:60]}` is no address: {error}", "url") from None
    if parts.scheme not in ("http", "https") or not host:
        raise EngineError(f"`{url[:60]}` is no address: write https://host:port", "url")
    if parts.username or parts.password:
        raise EngineError("an address has no password in it: use `headers_from_env`", "url")
    if parts.query or parts.fragment or not re.fullmatch(r"[!-~]*", parts.path):
        raise EngineError("an address ends with its path: no query, no fragment, no space", "url")
    allowed = settings.flag("allow_http")
    tls = None
    if parts.scheme == "https":
        tls = _tls(settings)
    elif "ca" in settings:
        raise EngineError("`ca` is for https, and the address is http", "ca")
    elif not allowed and not _is_loopback(host):
        raise EngineError(
            "http is for this machine alone: use https, or say `allow_http: true`", "url"
        )
    loopback = tls is None and not allowed
    dial = over_tcp(host, port or (80 if tls is None else 443), tls, loopback=loopback)
    return Client(dial, parts.netloc), parts.path.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(settings: Settings) -> ssl.SSLContext:
    if "ca" not in settings:
        return ssl.create_default_context()
    name = settings.text("ca")
    try:
        return ssl.create_default_context(cadata=settings.file("ca", name))
    except (ssl.SSLError, ValueError) as error:
        raise EngineError(f"`{name}` holds no certificates in PEM: {error}", "ca") from None


def _headers(settings: Settings) -> dict[str, str]:
    """Return the headers to send with the variables that hold their values, after looking at both."""
    found = settings.texts("headers_from_env")
    for header, variable in found.items():
        if not _HEADER.fullmatch(header) or header.lower() in _OURS:
            raise EngineError(f"`{header[:60]}` is no header to set", "headers_from_env")
        try:
            _from_environment(header, variable)
        except EngineError as error:
            raise EngineError(str(error), "headers_from_env") from None
    return found


def _from_environment(header: str, variable: str) -> str:
    """Return the value of a header; an error never shows it."""
    value = os.environ.get(variable)
    if not value:
        raise EngineError(f"{header} comes from the environment variable {variable}: set it")
    if not re.fullmatch(r"[\t -~]*", value):
        raise EngineError(f"{variable} holds a character that no header may have")
    return value


class _DecisionPoint:
    """A decision point with the question to put to it. Any thread may ask."""

    __slots__ = ("_client", "_closed", "_headers", "_path", "_template")

    def __init__(
        self, client: Client, path: str, headers: dict[str, str], told: dict[str, Any]
    ) -> None:
        self._client = client
        self._path = path
        self._headers = headers
        self._template = told
        self._closed = False

    def start(self) -> None:
        """Do nothing: a decision point that is away for a while denies for that while."""

    def judge(self, request: Mapping[str, Any], deadline: float) -> Verdict:
        """Return what the decision point says, or raise `EngineError` within `deadline` seconds."""
        until = time.monotonic() + deadline
        if self._closed:
            raise EngineError("it was closed")
        body = json.dumps(evaluation(self._template, request), allow_nan=False).encode()
        number = os.urandom(8).hex()
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-Request-ID": number,
        }
        for header, variable in self._headers.items():
            headers[header] = _from_environment(header, variable)
        answer = self._client.post(self._path, body, headers, until)
        if answer.headers.get("x-request-id", number) != number:
            raise EngineError("it answered another question than this one")
        return _verdict(answer)

    def close(self) -> None:
        """Close the connections; from now on there is no answer."""
        self._closed = True
        self._client.close()


def _verdict(answer: Answer) -> Verdict:
    if answer.status in _REDIRECTS:
        raise EngineError(
            f"it answered {answer.status}: redirects are not followed, so give the address itself"
        )
    if answer.status != _OK:
        raise EngineError(f"it answered {answer.status} {sentence(answer.reason)}".rstrip())
    found = read_json(answer.body)
    if type(found) is not dict or type(found.get("decision")) is not bool:
        raise EngineError("its answer has no `decision` that is true or false")
    context = found.get("context", {})
    if type(context) is not dict:
        raise EngineError("its answer has a `context` that is no object")
    if not found["decision"]:
        return Verdict("deny", _reason(context) or "it says no")
    if context.get("obligations"):
        raise EngineError("it permits with an obligation, and nobody here could meet one")
    return Verdict("allow", _reason(context) or "it says yes")


def _reason(context: dict[str, Any]) -> str:
    """Return what the answer says to people, in English where it has several languages."""
    for key in ("reason_user", "reason"):
        said = context.get(key)
        if type(said) is dict:
            said = said.get("en") or next(iter(said.values()), "")
        if text := sentence(said):
            return text
    return ""
