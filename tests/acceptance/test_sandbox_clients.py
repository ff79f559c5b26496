"""A Spotify client written by others works against the sandbox unchanged but for its addresses."""

from pathlib import Path

import pytest
import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyClientCredentials
from support.processes.sandbox_process import SandboxProcess, sandbox

from crawl_sandbox import catalogue, synthetic
from crawl_sandbox.matching import words

ARTISTS = catalogue.arrange(synthetic.generate(5000, seed=3))


class Credentials(SpotifyClientCredentials):  # type: ignore[misc]
    """spotipy has the token address as a class attribute."""

    def __init__(self, api: SandboxProcess) -> None:
        self.OAUTH_TOKEN_URL = api.token_url
        super().__init__(client_id="id", client_secret="secret", cache_handler=MemoryCacheHandler())


def spotify(api: SandboxProcess) -> spotipy.Spotify:
    client = spotipy.Spotify(auth_manager=Credentials(api), retries=0, status_retries=0)
    client.prefix = f"{api.url}/v1/"
    return client


def expected(prefix: str) -> list[str]:
    return [
        artist_id
        for artist_id, name in zip(ARTISTS.ids, ARTISTS.names, strict=True)
        if any(word.startswith(prefix) for word in words(name))
    ]


@pytest.mark.parametrize("query", ["the", "ki", "zzzz"])
def test_paging_with_spotipy_gives_the_catalogues_artists_in_order(query: str) -> None:
    with sandbox(size=5000, seed=3) as api:
        client = spotify(api)
        page = client.search(query, limit=50, type="artist")["artists"]
        found = [item["id"] for item in page["items"]]
        while page["next"]:
            page = client.next(page)["artists"]
            found += [item["id"] for item in page["items"]]
    assert found == expected(query)


def test_spotipy_understands_the_errors(tmp_path: Path) -> None:
    with sandbox(size=10, limit="1/30s") as api:
        client = spotify(api)
        client.artist(catalogue.arrange(synthetic.generate(10, seed=0)).ids[0])
        with pytest.raises(spotipy.SpotifyException) as caught:
            client.search("a", type="artist")
    assert caught.value.http_status == 429
