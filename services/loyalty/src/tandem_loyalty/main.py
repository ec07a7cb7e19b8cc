"""The Chalice application of the loyalty service."""

from chalice.app import Chalice

from tandem_loyalty import consumers, routes

app = Chalice(app_name="tandem-loyalty")
app.register_blueprint(routes.blueprint)
app.register_blueprint(consumers.blueprint)
