"""Verifies bearer tokens at the edge, for every REST API. Knows no service and reads no table."""
