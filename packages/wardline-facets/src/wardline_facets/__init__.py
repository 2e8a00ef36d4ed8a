"""Facets and detectors: what a command or a query does, and what a text holds.

The core finds `sql`, `shell`, `pii` and `secrets` by their entry points; policies reach them as
functions of the same names. Everything here is a pure function of its text.
"""
