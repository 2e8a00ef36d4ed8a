"""`wardline init`: a policy to begin with."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from wardline_cli import exits, output
from wardline_cli.failures import CommandError
from wardline_cli.options import File, Force, Json, group
from wardline_cli.starter import EXAMPLE, starter_policy

__all__ = ["app", "init"]

app = group("init")


@app.default
def init(*, path: File = Path("policy.yaml"), force: Force = False, as_json: Json = False) -> int:
    """Write a commented policy to begin with; it denies what no rule allows.

    An existing file is left alone unless --force is given.

    For example:
        wardline init
        wardline init --path policies/agent.yaml
    """
    from wardline import Operator

    text = starter_policy(Operator().by)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise CommandError(
            f"{path} exists and was not changed; name another file with --path, or replace it "
            "with --force"
        ) from error
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written: {error.strerror}; name another file with --path"
        ) from error
    shown = shlex.quote(str(path))
    steps = [
        f"wardline lint {shown}",
        f"wardline explain {shown} --action {shlex.quote(json.dumps(EXAMPLE))}",
    ]
    if as_json:
        output.print_json({"path": str(path), "next": steps})
        return exits.OK
    output.say(f"wrote {output.printable(path)}: everything is denied but what its rules allow")
    output.say()
    output.say("Put your own tools into it, then:")
    for step in steps:
        output.say(f"    {output.printable(step)}")
    output.say("and in your program:")
    output.say("    from wardline import govern")
    output.say(f"    read_file = govern(read_file, policy={output.printable(repr(str(path)))})")
    return exits.OK
