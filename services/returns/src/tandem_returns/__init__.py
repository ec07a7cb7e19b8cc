"""Tandem returns: what comes back, in whatever channel, and the money for it."""
