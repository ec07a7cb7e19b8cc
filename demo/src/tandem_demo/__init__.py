"""Real-shaped shop data through Tandem's public API, and an independent check of every balance."""
