"""The Chalice application of the returns service."""

from chalice.app import Chalice

from tandem_returns import consumers, routes

app = Chalice(app_name="tandem-returns")
app.register_blueprint(routes.blueprint)
app.register_blueprint(consumers.blueprint)
