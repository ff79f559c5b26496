"""Requests to the source: one permit each, every answer classified."""
