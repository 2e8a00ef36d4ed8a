"""`wardline convert`: a policy of another toolkit, written as one of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from wardline_cli import exits, output
from wardline_cli.failures import CommandError
from wardline_cli.options import Force, Json, group

__all__ = ["app", "convert"]

app = group("convert")

_File = Annotated[Path, Parameter(name="FILE", help="A policy in governance.toolkit/v1.")]
_Out = Annotated[
    Path | None,
    Parameter(name=("-o", "--output"), help="Where to write it. Default: standard output."),
]


@app.default
def convert(
    file: _File, /, *, out: _Out = None, force: Force = False, as_json: Json = False
) -> int:
    """Write a policy of the Agent Governance Toolkit as wardline/v1.

    Such files load as they are; the conversion decides the same and says in comments
    what the toolkit's own engine would have judged otherwise. Comments of the
    original are not kept. What it extends is named as it was: write the new file
    into the same folder.

    For example:
        wardline convert production.yaml
        wardline convert production.yaml -o policy.yaml

    An existing file is left alone unless --force is given.
    """
    from wardline.policy import convert as converted

    text = converted(file)
    if out is not None:
        _write(out, text, force=force)
    if as_json:
        output.print_json({"file": str(file), "output": str(out) if out else None, "text": text})
    elif out is None:
        for line in text.splitlines():
            output.say(output.printable(line))
    else:
        output.say(f"wrote {output.printable(out)}; check it with `wardline lint` and your cases")
    return exits.OK


def _write(out: Path, text: str, *, force: bool) -> None:
    try:
        with out.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise CommandError(
            f"{out} exists and was not changed; name another file, or replace it with --force"
        ) from error
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror}") from error
