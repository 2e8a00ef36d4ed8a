"""Runtime governance for AI agents: decide before an action runs, and keep proof."""
