"""The Chalice application of the orders service."""

from chalice.app import Chalice

from tandem_orders import consumers, routes

app = Chalice(app_name="tandem-orders")
app.register_blueprint(routes.blueprint)
app.register_blueprint(consumers.blueprint)
