"""What the tests share: a switched-off telemetry, and the warnings of the framework itself."""

from __future__ import annotations

import os

os.environ.update(ENABLE_INSTRUMENTATION="false", AGENT_FRAMEWORK_USER_AGENT_DISABLED="true")
