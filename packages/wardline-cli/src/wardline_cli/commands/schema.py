"""`wardline schema`: the JSON Schema of policies, for editors."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from wardline_cli import exits, output
from wardline_cli.options import Json, group

__all__ = ["app", "schema"]

app = group("schema")

_Toolkit = Annotated[
    bool,
    Parameter(
        name="--toolkit", negative="", show_default=False, help="Of governance.toolkit/v1 instead."
    ),
]


@app.default
def schema(*, toolkit: _Toolkit = False, as_json: Json = False) -> int:  # noqa: ARG001 - it is JSON
    """Print the JSON Schema of policies, for editors to complete and check while you type.

    It knows keys, closed sets and types; whether a policy loads, `wardline lint`
    says.

    For example:
        wardline schema > wardline.schema.json

    and as the first line of a policy:
        # yaml-language-server: $schema=./wardline.schema.json
    """
    from wardline.policy import schema as made

    output.print_json(made(toolkit=toolkit))
    return exits.OK
