"""What to write instead, where our own checks and the CRD's CEL rules say the same: each sentence once."""

from __future__ import annotations

A_PORT = "write a port from 1 to 65535"
TAINT_KEY = "write the taint's key, or operator: Exists for all taints"
SPOTIFY_BUCKET = "Spotify counts an app's requests, whatever address they come from; write bucket: Credential"
SPOTIFY_TERMS = (
    "Spotify's Developer Terms forbid databases of its content without permission; write true only when "
    "you have read them and may do this, else write source.type: Sandbox"
)
SPOTIFY_CREDENTIALS = (
    "Spotify needs credentials; write credentialsSecretRef: {name: spotify}, a Secret with the keys "
    "client-id and client-secret"
)
SPOTIFY_TOKENS = (
    "by default Spotify's own endpoint would get the credentials, and what is at baseURL Spotify's token; write as "
    "tokenURL the address where that service hands out tokens, or https://accounts.spotify.com/api/token if it only "
    "passes requests on to Spotify"
)
EXISTS_VALUE = "Exists takes any value; leave it out, or write operator: Equal"
NO_EXECUTE_ONLY = "only means something for NoExecute; leave it out, or write effect: NoExecute"
SPOTIFY_ONLY = "only means something for type: Spotify; leave it out, or write type: Spotify"


def said_twice(name: str) -> str:
    """Of a deprecated field of the source that differs from the member's."""
    return f"spotify.{name} says otherwise; leave this one out, or write the same in both"
