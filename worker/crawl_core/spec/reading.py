"""The door for CrawlJobs: from a file, a text, or an object of the Kubernetes API to the type.

Everything that is wrong is reported at once: the fields that pydantic refuses, then, with those taken out so that their
defaults stand in, whatever is wrong between the others. It refuses to guess: a file needs exactly one CrawlJob.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from crawl_core.errors import Problem, SpecError
from crawl_core.spec.checks import cross_field_problems
from crawl_core.spec.crawljob import API_VERSION, KIND, LATER, CrawlJob, Spec
from crawl_core.spec.documents import Document, read_documents
from crawl_core.spec.remedies import Location, Written, path_of, problem_of


def read_crawljob(path: Path) -> CrawlJob:
    """The CrawlJob of a file. Raises SpecError with every problem, also when the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no UTF-8 text"
        problem = Problem("file", str(path), f"{reason}; write the path of a CrawlJob's YAML file")
        raise SpecError(str(path), [problem]) from error
    return parse_crawljob(text, origin=str(path))


def parse_crawljob(text: str, *, origin: str) -> CrawlJob:
    """The one CrawlJob in a YAML or JSON text; other kinds in it, such as its Secret, are passed over."""
    document = _the_crawljob(read_documents(text, origin=origin), origin)
    return _checked(document.data, document.written, document.problems, origin)


def crawljob_of(data: Mapping[str, Any], *, origin: str) -> CrawlJob:
    """The CrawlJob that an object of the Kubernetes API says. Its status is passed over."""
    return _checked(data, {}, [], origin)


def _the_crawljob(documents: Sequence[Document], origin: str) -> Document:
    if len(documents) == 1:
        return documents[0]
    jobs = [document for document in documents if _field(document, "kind") == KIND]
    if len(jobs) == 1:
        return jobs[0]
    if jobs:
        names = ", ".join(str((_field(job, "metadata") or {}).get("name")) for job in jobs)
        found, remedy = names, f"{len(jobs)} CrawlJobs; write one a file"
    else:
        found = ", ".join(str(_field(document, "kind")) for document in documents) or "nothing"
        remedy = f"no CrawlJob; write one that begins with apiVersion: {API_VERSION} and kind: {KIND}"
    raise SpecError(origin, [Problem("kind", found, remedy)])


def _field(document: Document, name: str) -> Any:
    return document.data.get(name) if isinstance(document.data, dict) else None


def _checked(data: Any, written: Written, found: Sequence[Problem], origin: str) -> CrawlJob:
    if not isinstance(data, Mapping):
        remedy = f"no CrawlJob; write one that begins with apiVersion: {API_VERSION} and kind: {KIND}"
        raise SpecError(origin, [Problem("file", data, remedy)])
    whole = {name: value for name, value in data.items() if name != "status"}
    problems = list(found)
    job: CrawlJob | None = None
    invalid: list[str] = []
    try:
        job = CrawlJob.model_validate(whole, by_alias=True, by_name=False, context=LATER)
        spec = job.spec
    except ValidationError as error:
        errors = error.errors(include_url=False)
        problems += [problem_of(each, written) for each in errors]
        locations = [tuple(each["loc"]) for each in errors]
        invalid = [path_of(location[1:]) for location in locations if location[:1] == ("spec",)]
        spec = _what_is_valid(whole.get("spec"), errors)
    problems += cross_field_problems(spec, invalid=invalid)
    if job is None or problems:
        raise SpecError(origin, _once(problems))
    return job


def _what_is_valid(data: Any, errors: Sequence[ErrorDetails]) -> Spec:
    """The spec without the fields that were refused, so that their defaults stand in."""
    rest = copy.deepcopy(data) if isinstance(data, dict) else {}
    for error in errors:
        if error["loc"][:1] == ("spec",):
            _take_out(rest, tuple(error["loc"][1:]))
    try:
        return Spec.model_validate(rest, by_alias=True, by_name=False, context=LATER)
    except ValidationError as error:
        # A section may be wrong as a whole: its sections stand or fall one by one.
        for section in {each["loc"][0] for each in error.errors(include_url=False)}:
            rest.pop(section, None)
        return Spec.model_validate(rest, by_alias=True, by_name=False, context=LATER)


def _take_out(data: Any, location: Location) -> None:
    """Remove the value at a location, or the nearest field around it that can be removed."""
    parents = [data]
    for part in location[:-1]:
        try:
            parents.append(parents[-1][part])
        except (KeyError, IndexError, TypeError):
            break
    for parent, part in zip(reversed(parents), reversed(location[: len(parents)]), strict=True):
        if isinstance(parent, dict) and part in parent:
            del parent[part]
            return


def _once(problems: Sequence[Problem]) -> list[Problem]:
    """Without repetitions, such as those of a union's branches."""
    return list({(problem.path, problem.message): problem for problem in problems}.values())
