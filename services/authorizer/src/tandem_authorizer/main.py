"""The one module-level Chalice app."""

from __future__ import annotations

from chalice.app import Chalice

from tandem_authorizer.handler import functions

app = Chalice(app_name="authorizer")
app.register_blueprint(functions)
