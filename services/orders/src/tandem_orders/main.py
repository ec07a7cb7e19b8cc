"""The Chalice application of the orders service."""

from chalice.app import Chalice

app = Chalice(app_name="tandem-orders")
