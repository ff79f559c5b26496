"""The README's way: install, apply a file, wait, count rows; and the rows that the file gives without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from support.cluster.kube_release import ARTISTS, ROOT, Release
from support.processes.run_process import run
from support.processes.sandbox_process import sandbox

QUICKSTART = ROOT / "k8s" / "samples" / "quickstart.yaml"


@pytest.mark.timeout(420)
def test_the_quickstart_finds_in_a_cluster_what_it_finds_without_one(
    release: Release, ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    release.kubectl("apply", "-f", str(QUICKSTART))
    crawl_here(ledger_url, redis_url, tmp_path)
    release.kubectl("wait", "--for=condition=Succeeded", "crawljob/quickstart", "--timeout=240s", timeout_s=260)
    found = searches(release.postgres_url, release.namespace)
    assert found == searches(ledger_url, "default")
    assert len(found) == 1296
    assert artists(release.postgres_url, release.namespace) == artists(ledger_url, "default") != []
    release.kubectl("delete", "-f", str(QUICKSTART))


def crawl_here(ledger_url: str, redis_url: str, folder: Path) -> None:
    """`artistcrawl run` of the same file, as fast as it can: that changes no row."""
    with sandbox(size=ARTISTS, traced=False) as api:
        job = yaml.safe_load(QUICKSTART.read_text())
        job["spec"] |= {"source": {"baseURL": api.url}, "rateLimit": {"requests": 10_000, "window": "1s"}}
        file = folder / "crawl.yaml"
        file.write_text(yaml.safe_dump(job))
        with run(file, folder / "data", "--postgres", ledger_url, "--redis", redis_url) as crawl:
            assert crawl.wait() == 0, crawl.stderr


JOB = "SELECT run_id FROM crawl_job WHERE namespace = %s AND name = 'quickstart' AND deleted_at IS NULL"


def searches(postgres_url: str, namespace: str) -> list[tuple[Any, ...]]:
    """Every string with its number of artists."""
    return rows(
        postgres_url,
        f'SELECT string, results::text FROM search WHERE run_id = ({JOB}) ORDER BY string COLLATE "C"',
        namespace,
    )


def artists(postgres_url: str, namespace: str) -> list[tuple[Any, ...]]:
    """Every artist found, with what is stored of it."""
    return rows(
        postgres_url,
        "SELECT id, name, popularity, followers, genres FROM artist "
        f"WHERE key IN (SELECT artist_key FROM run_artist WHERE run_id = ({JOB})) ORDER BY id",
        namespace,
    )


def rows(postgres_url: str, query: str, namespace: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(postgres_url) as ledger:
        return ledger.execute(query, [namespace]).fetchall()
