"""A file server that its makers do not govern, and a client that does.

Nothing is needed but this machine: a server over stdio on a real folder, started by this script, and a
client that reads a note, deletes one that it may, tries to delete one that it may not, and asks for
one deletion that somebody has to approve. `--proxy` leaves the client alone too and puts
`wardline mcp proxy` between the two; `--command "..."` takes another server in the place of ours, and
lists what the policy says of its tools.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
import tempfile
from contextlib import AbstractAsyncContextManager
from pathlib import Path

# This file has the name of the framework, and would hide it.
sys.path[:] = [one for one in sys.path if Path(one or ".").resolve() != Path(__file__).parent]

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.mcpserver import MCPServer

from wardline import Approval, CallbackApprover, Guard, Operator, Reply, render_request
from wardline.ledger import read, verify
from wardline_mcp import coverage, govern_client

POLICY = """
apiVersion: wardline/v1
name: notes
default_action: deny
approvers: [owner]
tools:
  delete_note: {effects: [write, destructive], args: {name: string}}
rules:
  - name: read-notes
    on: retrieval
    condition: "has(args.query) && args.query.startsWith('notes://')"
    action: allow
  - name: tidy-up
    tool: delete_note
    condition: "args.name.startsWith('draft')"
    action: allow
  - name: never-the-will
    tool: delete_note
    condition: "args.name == 'will'"
    action: deny
    reason: "the will stays"
  - name: ask-first
    tool: delete_note
    condition: "!args.name.startsWith('draft')"
    action: require_approval
"""
NOTES = {"draft-1": "to do", "letter": "dear Ada", "will": "all to the cat"}


def serve(folder: Path) -> None:
    """Be the server: it does what it is told."""
    server = MCPServer("notes")

    @server.resource("notes://{name}")
    def note(name: str) -> str:
        """Return a note."""
        return (folder / name).read_text()

    @server.tool()
    def delete_note(name: str) -> str:
        """Delete a note."""
        (folder / name).unlink()
        return f"{name} is gone"

    server.run()


def approve(request: Approval) -> Reply:
    """Show the request and approve it, in the place of the person who would."""
    print(render_request(request))
    print("  approved by os:you\n")
    return Reply("os:you", approved=True)


def connected(
    options: argparse.Namespace, place: Path, guard: Guard
) -> AbstractAsyncContextManager[Client]:
    """Return the client: governed itself, or behind a proxy."""
    command = shlex.split(options.command) or [sys.executable, __file__, "--serve", str(place)]
    if options.proxy:
        policy = ["--policy", str(place / "policy.yaml"), "--home", str(options.home)]
        owner = ["--approver", f"owner={Operator(place).by}"]
        proxy = [sys.executable, "-m", "wardline_cli", "mcp", "proxy", *policy, *owner, "--"]
        command = [*proxy, *command]
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    client = Client(server)
    return client if options.proxy else govern_client(client, guard, server="notes")


async def work(client: Client) -> None:
    """Do what an agent would."""
    note = await client.read_resource("notes://letter")
    print("The letter says:", getattr(note.contents[0], "text", ""))
    for name in ("draft-1", "will", "letter"):
        result = await client.call_tool("delete_note", {"name": name})
        answer = getattr(result.content[0], "text", "")
        print(f"{'refused' if result.is_error else 'done':8} delete {name}: {answer}")


async def show(client: Client) -> None:
    """List what another server has, and that nothing of it passes the guard."""
    await client.list_tools()
    for one in coverage(client):
        print(f"{one.kind:10} {one.name}: {'governed' if one.governed else one.why}")


async def run(options: argparse.Namespace, place: Path, guard: Guard) -> None:
    """Connect, and work."""
    async with connected(options, place, guard) as client:
        await (show if options.command else work)(client)


def main() -> int:
    """Run the client; exit 0 if what must not happen did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proxy", action="store_true", help="put the proxy between them")
    parser.add_argument("--command", default="", help="a server of yours, as one string")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help="where state and ledger are kept")
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve)
        return 0
    place = Path(tempfile.mkdtemp(prefix="wardline-mcp-"))
    home = options.home = options.home or place / "wardline"
    (place / "policy.yaml").write_text(POLICY)
    for name, text in NOTES.items():
        (place / name).write_text(text)
    guard = Guard(
        place / "policy.yaml",
        home=home,
        approver=CallbackApprover(approve),
        approvers={"owner": ["os:you"]},
    )
    asyncio.run(run(options, place, guard))
    guard.close()
    decided = [one for one in read(home / "ledger") if "effect" in one.fields]
    for one in decided:
        print(f"{one.type:8} {one.fields['name']}: {one.fields['effect']} by {one.fields['rule']}")
    report = verify(home / "ledger")
    print(f"The ledger is {'verified' if report.ok else 'BROKEN'}: {report}")
    print(f"\nLook around: wardline ledger tail --home {home}")
    kept = (place / "will").exists() and (options.command or not (place / "draft-1").exists())
    return 0 if report.ok and kept else 1


if __name__ == "__main__":
    sys.exit(main())
