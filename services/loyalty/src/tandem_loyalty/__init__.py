"""The loyalty service: points earned in any channel, spent in any channel."""
