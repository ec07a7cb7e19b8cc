"""Tandem orders: orders of every channel, parcels, pickups and the customer's timeline."""
