"""The page on cases says what there is, and its example is run."""

from __future__ import annotations

import re
from pathlib import Path

from wardline.cases import find_suites, run_cases
from wardline.cases.expected import EXPECT_KEYS
from wardline.cases.given import ACTION_KEYS
from wardline.cases.known import FACT_KEYS

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "cases.md").read_text()

POLICY = """\
apiVersion: wardline/v1
name: my-agent
limits:
  - { name: task-calls, count: tool_calls, at_most: 20, per: run }
rules:
  - name: block-destructive
    tool: sql_query
    condition: "has(args.query) && args.query.startsWith('DROP')"
    action: deny
  - name: reads
    tool: sql_query
    action: allow
"""


def test_the_example_passes(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "cases").mkdir()
    example = re.search(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert example is not None
    (tmp_path / "cases" / "queries.yaml").write_text(example[1])
    (suite,) = find_suites([tmp_path])
    results = run_cases(suite.policies(), suite.cases)
    assert [one.passed for one in results] == [True, True, True]


def test_the_tables_have_every_key() -> None:
    for heading, keys in (
        ("The action", ACTION_KEYS),
        ("The facts", FACT_KEYS),
        ("What is expected", EXPECT_KEYS),
    ):
        part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
        assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(keys), heading
