"""A local stand-in for the Spotify Web API. It imports nothing of the rest, so that it shares no bug with it."""
