"""Tandem on one machine: the packages and templates that go to AWS, on an embedded engine.

`python -m tandem_local run` starts it, `python -m tandem_local token` prints a bearer token for it.
Nothing here is deployed.
"""
