"""The policy that `wardline init` writes."""

from __future__ import annotations

import json
from typing import Any, Final

__all__ = ["EXAMPLE", "starter_policy"]

EXAMPLE: Final[dict[str, Any]] = {"name": "read_file", "args": {"path": "/srv/data/report.txt"}}
"""An action that the policy allows."""

_TEMPLATE: Final = """\
# What this agent may do. Whatever no rule allows is denied.
#
# The order of the rules never matters: deny wins over require_approval, which wins over allow.
# After a change, run `wardline lint` on this file; `wardline explain` says what happens to an
# action and why.
apiVersion: wardline/v1
name: my-agent
default_action: deny

# Who answers where a rule asks and names nobody. `os:<login>` is a user of this machine, who
# answers with `wardline approvals`. A group such as security-team needs
# Guard(..., approvers={{"security-team": ["os:alice"]}}).
approvers: [{approver}]

# The tools and what they take: `wardline lint` checks the conditions below against it.
tools:
  read_file:   {{ effects: [read], args: {{ path: string }} }}
  send_email:  {{ effects: [network, write], args: {{ to: string, subject: string, body: string }} }}
  delete_file: {{ effects: [write, destructive], args: {{ path: string }} }}

# No more than this, however often a rule says yes.
limits:
  - {{ name: task-calls, count: tool_calls, at_most: 20, per: run }}

rules:
  - name: read-the-data
    description: Reading is fine below one folder, wherever the path tries to lead.
    tool: read_file
    condition: "path(args.path).under('/srv/data')"
    action: allow

  - name: ask-before-sending
    description: Somebody sees the whole message before it goes out.
    tool: send_email
    action: require_approval
    reason: "an email leaves the house"

  - name: never-delete
    description: Not even if another rule allows it.
    tool: delete_file
    action: deny
    reason: "files are deleted by people"
"""


def starter_policy(approver: str) -> str:
    """Return the text of the policy, in which `approver` answers what is asked."""
    return _TEMPLATE.format(approver=json.dumps(approver))
