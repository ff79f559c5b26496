"""A catalogue of a local run is a dataset of its own, and no two are mixed under one job."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.fakes.ledgers import crawljob

from crawl_core.errors import ConfigurationError
from crawl_core.spec import CrawlJob
from crawl_core.values.jobs import JobRow, as_recorded
from crawl_sandbox import cli as sandbox
from crawl_worker.local.catalogues import dataset_of, detail_of, of_catalogue

CSV = Path("/data/my artists.csv")


def job(**source: object) -> CrawlJob:
    return crawljob(source=source)


def recorded(dataset: str | None = None) -> JobRow:
    spec = as_recorded(job(**({"dataset": dataset} if dataset else {})).spec)
    return JobRow(
        id=1,
        namespace="default",
        name="artists",
        uid="u",
        spec=spec,
        total=72,
        bucket=None,
        bucket_scope="Job",
        page_size=None,
        problem_reason=None,
        problem_message=None,
        started_at=datetime.now(UTC),
        finished_at=None,
        deleted_at=None,
    )


def test_a_new_jobs_catalogue_is_its_dataset() -> None:
    assert of_catalogue(job(), CSV, recorded=None, detail={}).spec.source.dataset == "my_artists.csv"
    assert detail_of(of_catalogue(job(), CSV, recorded=None, detail={}), CSV) == {"catalogue": "my artists.csv"}


def test_a_new_job_without_a_catalogue_has_the_made_up_artists() -> None:
    assert of_catalogue(job(), None, recorded=None, detail={}) == job()
    assert detail_of(job(), None) == {"seed": sandbox.parser().get_default("seed")}


def test_a_dataset_that_is_stated_is_kept_whatever_the_catalogue() -> None:
    assert of_catalogue(job(dataset="mine"), CSV, recorded=None, detail={}).spec.source.dataset == "mine"
    assert detail_of(job(dataset="mine"), CSV) == {"catalogue": "my artists.csv"}


@pytest.mark.parametrize("source", [{"baseURL": "http://sandbox:8080"}, {"type": "Spotify"}])
def test_a_source_elsewhere_has_no_catalogue(source: dict[str, object]) -> None:
    terms = {"spotify": {"termsAccepted": True}, "credentialsSecretRef": {"name": "s"}} if "type" in source else {}
    elsewhere = job(**source, **terms)
    assert of_catalogue(elsewhere, CSV, recorded=None, detail={}) == elsewhere
    assert detail_of(elsewhere, CSV) is None


def test_a_job_of_whose_sandbox_nothing_was_noted_goes_on_with_any_catalogue() -> None:
    assert of_catalogue(job(), CSV, recorded=recorded(), detail={}) == job()
    assert detail_of(job(), CSV) is None


def test_a_job_goes_on_with_the_catalogue_of_the_same_name_only() -> None:
    before, detail = recorded(dataset_of(CSV)), {"catalogue": CSV.name}
    moved = of_catalogue(job(), Path("elsewhere/my artists.csv"), recorded=before, detail=detail)
    assert moved.spec.source.dataset == dataset_of(CSV)
    for other in (None, Path("others.csv")):
        with pytest.raises(ConfigurationError, match=r'give --catalogue .* source\.dataset: "my_artists\.csv"'):
            of_catalogue(job(), other, recorded=before, detail=detail)


def test_a_job_of_the_made_up_artists_is_not_gone_on_with_from_a_catalogue() -> None:
    """Unless it says that the file has the same artists."""
    detail = detail_of(job(), None)
    assert detail
    assert of_catalogue(job(), None, recorded=recorded(), detail=detail) == job()
    with pytest.raises(ConfigurationError, match=r'leave --catalogue out, or write source\.dataset: "sandbox"'):
        of_catalogue(job(), CSV, recorded=recorded(), detail=detail)
    stated = job(dataset="sandbox")
    assert of_catalogue(stated, CSV, recorded=recorded(), detail=detail) == stated
