"""One document: which language it is in, its head, and its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.policy import agt
from wardline.policy.catalogue import read_catalogue
from wardline.policy.conditions import Conditions
from wardline.policy.engine import FileReader, read_engine
from wardline.policy.fields import Fields, Report
from wardline.policy.keys import (
    AGT_DOCUMENT_KEYS,
    APPLIES_TO_KEYS,
    DEFAULTS,
    DOCUMENT_KEYS,
    ENGINE_DOCUMENT_KEYS,
    MODES,
    NATIVE,
    TOOLKIT,
)
from wardline.policy.limits import check_rules, read_limits
from wardline.policy.model import AppliesTo, Document
from wardline.policy.reader import read
from wardline.policy.rules import read_rules
from wardline.policy.source import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.policy.reader import Node
    from wardline.policy.source import Source

__all__ = ["Draft"]


class Draft:
    """A document that has been read and whose parents are still to be found.

    `extends` has what the document says about them, each with its node. `finish` checks the rest.
    """

    __slots__ = ("_fields", "_read", "_toolkit", "extends", "report", "source")

    def __init__(self, source: Source, read_file: FileReader) -> None:
        self.source = source
        self._read = read_file
        self.report = Report(source)
        root = read(source)
        if root.kind != "map":
            self.report.at(root, "a policy document is a map", f"begin with `apiVersion: {NATIVE}`")
            self.report.finish()
        self._toolkit = self._version(root) == TOOLKIT
        if self._toolkit:
            self._fields = Fields(
                self.report, root, "toolkit document", "the document", AGT_DOCUMENT_KEYS
            )
            agt.drop_empty(self._fields)
        elif "engine" in root.value:
            self._fields = Fields(
                self.report,
                root,
                "engine document",
                "a document with an `engine`",
                ENGINE_DOCUMENT_KEYS,
            )
        else:
            self._fields = Fields(self.report, root, "document", "the document", DOCUMENT_KEYS)
        self.extends: list[tuple[str, Node]] = self._fields.items("extends")

    def _version(self, root: Node) -> str:
        """Return the language of the document; without a known one nothing else can be checked."""
        node = root.value.get("apiVersion")
        value: Any = node.value if node is not None and node.kind == "string" else None
        if value in (NATIVE, TOOLKIT):
            return str(value)
        if node is None:
            self.report.at(
                root,
                "the document does not say what language it is in",
                f"add `apiVersion: {NATIVE}`",
            )
        else:
            self.report.at(
                node,
                "`apiVersion` names no known language"
                if not isinstance(value, str)
                else f"`{value[:60]}` is no known `apiVersion`",
                suggestion(str(value), (NATIVE, TOOLKIT)),
            )
        self.report.finish()
        raise AssertionError("a report with problems raises")

    def finish(self, ancestors: Sequence[Document], parents: Sequence[str]) -> Document:
        """Return the document; `ancestors` are all it extends, the nearest first.

        Raises `PolicyError` with every problem.
        """
        if self._toolkit:
            document = agt.read_document(self._fields, ancestors, parents)
        elif "engine" in self._fields.values:
            document = self._consulted()
        else:
            document = self._native(ancestors, parents)
        self.report.finish()
        return document

    def _consulted(self) -> Document:
        """Return a document whose effect another engine gives; by itself it allows nothing."""
        fields = self._fields
        mode = fields.choice("mode", ("strict", "audit"), "strict")
        return Document(
            name=fields.text("name", required=True),
            file=self.source.file,
            api_version=NATIVE,
            default_action=None,
            mode=mode,
            description=fields.text("description"),
            applies_to=self._applies_to(),
            approvers=fields.texts("approvers"),
            consulted=read_engine(fields, self._read),
            places=fields.keys,
            source=self.source,
        )

    def _native(self, ancestors: Sequence[Document], parents: Sequence[str]) -> Document:
        fields = self._fields
        name = fields.text("name", required=True)
        mode = fields.choice("mode", MODES, "strict")
        default = self._default(mode)
        approvers = fields.texts("approvers")
        unlisted = fields.choice("unlisted_tools", ("allow", "deny"), "allow")
        catalogue = read_catalogue(fields, name, ancestors)
        limits = read_limits(fields, name, mode, ancestors)
        conditions = Conditions(
            self.report,
            catalogue,
            listed_only=unlisted == "deny" or any(a.unlisted_tools == "deny" for a in ancestors),
        )
        taken = {rule.name: parent.name for parent in reversed(ancestors) for rule in parent.rules}
        rules = read_rules(fields, name, conditions, approvers, taken)
        check_rules(fields, limits, rules)
        if not approvers:
            if default == "require_approval":
                fields.complain(
                    "default_action",
                    "the document asks by default, and nobody is named who could answer",
                    "add `approvers: [...]` to the document",
                )
            for limit in limits:
                if limit.on_exceed == "require_approval":
                    self.report.at(
                        (limit.line, limit.column),
                        f"limit `{limit.name}` asks when it is exceeded, and nobody is named who "
                        "could answer",
                        "add `approvers: [...]` to the document",
                    )
        return Document(
            name=name,
            file=self.source.file,
            api_version=NATIVE,
            default_action=default,
            mode=mode,
            description=fields.text("description"),
            applies_to=self._applies_to(),
            unlisted_tools=unlisted,
            tools=catalogue,
            limits=limits,
            rules=rules,
            approvers=approvers,
            parents=tuple(parents),
            places=fields.keys,
            source=self.source,
        )

    def _default(self, mode: str) -> str | None:
        fields = self._fields
        stated = fields.choice("default_action", DEFAULTS, "")
        if mode == "permissive":
            if stated not in ("", "allow"):
                fields.complain(
                    "default_action",
                    f"a permissive document allows by default, and this one says `{stated}`",
                    "leave `default_action` out, or use `mode: strict`",
                )
            return "allow"
        if stated:
            return stated
        return None if self.extends else "deny"

    def _applies_to(self) -> AppliesTo | None:
        node = self._fields.get(
            "applies_to", "map", "write agents, environments or tenants under it"
        )
        if node is None:
            return None
        inner = Fields(self.report, node, "applies_to", "`applies_to`", APPLIES_TO_KEYS)
        if not node.value:
            self.report.at(node, "`applies_to` names nobody", "leave it out for everybody")
        found = {key: inner.globs(key) for key in APPLIES_TO_KEYS}
        return AppliesTo(**{key: globs for key, globs in found.items() if globs is not None})
