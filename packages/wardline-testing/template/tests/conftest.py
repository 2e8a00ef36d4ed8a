"""Switch the framework's telemetry off here, before anything imports it."""
