"""The door for CrawlJobs: from a file, a text, or an object of the Kubernetes API to the type.

Everything that is wrong is reported at once: the fields that pydantic refuses, then, with those taken out so that their
defaults stand in, whatever is wrong between the others. A file has exactly one CrawlJob; which of two is meant is not
guessed.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from crawl_core.errors import Problem, SpecError
from crawl_core.spec.checks import cross_field_problems
from crawl_core.spec.crawljob import API_VERSION, KIND, LATER, CrawlJob, Spec
from crawl_core.spec.documents import Document, read_documents
from crawl_core.spec.fields import ABSENT
from crawl_core.spec.remedies import Location, path_of, problem_of


def read_crawljob(path: Path) -> CrawlJob:
    """The CrawlJob of a file. Raises SpecError with every problem, also when the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no UTF-8 text"
        problem = Problem("file", str(path), f"{reason}; write the path of a CrawlJob's YAML file")
        raise SpecError(str(path), [problem]) from error
    return parse_crawljob(text, origin=str(path))


def parse_crawljob(text: str, *, origin: str) -> CrawlJob:
    """The one CrawlJob in a YAML or JSON text; other kinds in it, such as its Secret, are passed over."""
    return _checked(_the_crawljob(read_documents(text, origin=origin), origin), origin)


def crawljob_of(data: Mapping[str, Any], *, origin: str) -> CrawlJob:
    """The CrawlJob that an object of the Kubernetes API says. Its status is passed over."""
    return _checked(Document(data), origin)


def _the_crawljob(documents: Sequence[Document], origin: str) -> Document:
    if len(documents) == 1:
        return documents[0]
    jobs = [document for document in documents if _field(document, "kind") == KIND]
    if len(jobs) == 1:
        return jobs[0]
    if jobs:
        names = ", ".join(str((_field(job, "metadata") or {}).get("name")) for job in jobs)
        kinds, remedy = names, f"{len(jobs)} CrawlJobs; write one a file"
    else:
        kinds = ", ".join(str(_field(document, "kind")) for document in documents)
        remedy = f"no CrawlJob; write one that begins with apiVersion: {API_VERSION} and kind: {KIND}"
    raise SpecError(origin, [Problem("kind", kinds or ABSENT, remedy)])


def _field(document: Document, name: str) -> Any:
    return document.data.get(name) if isinstance(document.data, dict) else None


def _checked(document: Document, origin: str) -> CrawlJob:
    data = document.data
    if not isinstance(data, Mapping):
        remedy = f"no CrawlJob; write one that begins with apiVersion: {API_VERSION} and kind: {KIND}"
        raise SpecError(origin, [Problem("file", data, remedy)])
    whole = {name: value for name, value in data.items() if name != "status"}
    problems = list(document.problems)
    invalid: list[str] = []
    job: CrawlJob | None = None
    spec: Spec | None = None
    try:
        job = CrawlJob.model_validate(whole, by_alias=True, by_name=False, context=LATER)
        spec = job.spec
    except ValidationError as error:
        errors = error.errors(include_url=False)
        problems += [problem_of(details, document.written) for details in errors]
        locations = [tuple(details["loc"][1:]) for details in errors if details["loc"][:1] == ("spec",)]
        invalid = [path_of(location) for location in locations]
        spec = _what_is_valid(whole.get("spec", {}), locations)
    if spec is not None:
        problems += cross_field_problems(spec, invalid=invalid)
    problems += [odd for odd in document.odd_names if odd.path not in {problem.path for problem in problems}]
    if job is None or problems:
        raise SpecError(origin, _once(problems))
    return job


def _what_is_valid(data: Any, refused: Sequence[Location]) -> Spec | None:
    """The spec with the refused fields taken out, so that their defaults stand in. None when nothing can be told."""
    rest = copy.deepcopy(data)
    # Where a field is needed by what is around it, that is refused next and has to go as well.
    while refused:
        taken = [_take_out(rest, location) for location in refused]
        if not any(taken):
            return None
        refused = _refused(rest)
    return Spec.model_validate(rest, by_alias=True, by_name=False, context=LATER)


def _refused(data: Any) -> list[Location]:
    try:
        Spec.model_validate(data, by_alias=True, by_name=False, context=LATER)
    except ValidationError as error:
        return [tuple(details["loc"]) for details in error.errors(include_url=False)]
    return []


def _take_out(data: Any, location: Location) -> bool:
    """Remove the field at a location, or the nearest one around it. Tells whether there was one."""
    around: list[tuple[dict[Any, Any], Any]] = []
    for part in location:
        if isinstance(data, list) and isinstance(part, int):
            data = data[part]
        elif isinstance(data, dict):
            name = next((name for name in data if str(name) == part), None)
            if name is None:
                break
            around.append((data, name))
            data = data[name]
    if not around:
        return False
    parent, name = around[-1]
    del parent[name]
    return True


def _once(problems: Sequence[Problem]) -> list[Problem]:
    """Without repetitions, such as those of a union's branches."""
    return list({(problem.path, problem.message): problem for problem in problems}.values())
