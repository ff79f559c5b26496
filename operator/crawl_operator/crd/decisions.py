"""What docs/crawljob.md says beside the fields: why they are so, who checks them, and what may change later. Pure."""

from __future__ import annotations

from crawl_core.spec.sections import DEPRECATED

CHECKED = (
    "Who refuses what: the API server checks every field's kind and bounds, the rules below, and what may not change, "
    "with a message of what to write. `artistcrawl validate` and `artistcrawl run` check the same, and how many ranges "
    "there are. No rule of the CRD repeats a formula of the code, since the two would drift apart; so the operator "
    "alone says, as a condition:"
)
OF_THE_OPERATOR = (
    (
        "`keyspace.rangeSize`",
        "`InvalidSpec`",
        "the keyspace makes more ranges than 100,000; the message has the smallest rangeSize",
    ),
    (
        "`source.dataset`, `source.baseURL`",
        "`NameTaken`",
        "a dataset that is left out, or of type Spotify another host, stands for other data than those recorded",
    ),
    (
        "the whole spec",
        "`NameTaken`",
        "a CrawlJob that was deleted and applied again is another crawl than the one recorded under its name",
    ),
    (
        "`backendsSecretRef`, `source.credentialsSecretRef`",
        "`BackendsSecretMissing`, ...",
        "the Secret is not there, or lacks a key",
    ),
)

DECISIONS: tuple[tuple[str, str], ...] = (
    (
        "`source.type` decides, and is Sandbox by default",
        "`spec: {}` runs, costs nobody anything, and sends nothing to a real API by an oversight.",
    ),
    (
        "What every source has is flat; what one type alone has stands in a member of its name (`source.spotify`)",
        "A field at one path means the same whatever is crawled; another type can come without fields that mean "
        "nothing for it. A member of another type is refused, since it would be ignored in silence.",
    ),
    (
        "`source.dataset` and not the address is a part of what a crawl is",
        "A proxy, a mirror or a server that moved would end a crawl of weeks. That another address has the same data "
        "only a person can say; where nothing is said, another host is other data for type Spotify. Every sandbox is "
        "the same one, since its address is random in a local run and may change in a cluster: where two have "
        "different artists, name their datasets.",
    ),
    (
        "Only what decides which answers belong together may not change",
        "Timeout, page size, token address, range size and limits are found by trying. A CrawlJob that had to be "
        "applied anew for each would start over.",
    ),
    (
        "Every field of spec has a default or may be left out, and none may be null",
        "Server-side apply refuses null. The API server writes defaults into the object, so that a later version's "
        "default changes no CrawlJob that exists.",
    ),
    (
        "Durations are texts with a unit (`10s`), not numbers in a name with a unit (`timeoutSeconds`)",
        "They reach from 100 ms to ten years, and 58 days in milliseconds is read by nobody. There is no unit for "
        "days, as in Kubernetes' own durations.",
    ),
    (
        "A limit is `requests` in a `window`, not a rate",
        "What a source counts is arrivals in a rolling window: 10 per 30 s and 20 per 60 s are different promises.",
    ),
    (
        "`run` is a number that is wanted, not a command or a time",
        "Applying the same file twice crawls once, whoever applies it: GitOps, a schedule, a person. A smaller or "
        "equal number does nothing, so that an old file undoes nothing.",
    ),
    (
        "`deadline` alone ends nothing; `deadlinePolicy: Suspend` pauses",
        "A Job's activeDeadlineSeconds kills. A crawl of weeks that is late by an hour is worth finishing; who pays "
        "for requests may want a stop. A pause loses nothing, and raising the deadline goes on.",
    ),
    (
        "`suspend` is a field, as a Job's",
        "What is wanted stands in spec: it survives a restore, and is seen in Git.",
    ),
    (
        "`workers.replicas` is absent unless somebody sets it",
        "The operator knows how many the limit can occupy. Who scales by hand or by an HPA owns the field, and wins.",
    ),
    (
        "The scale subresource counts the pods that exist (`status.workers.current`), not the ready ones",
        "As a Deployment's: an HPA reckons from them, and `kubectl scale --timeout` waits for them.",
    ),
    (
        "`status.progress` is text, `covered` and `total` are integers",
        "A column of kubectl cannot divide; a program must not parse `42.31%`.",
    ),
    (
        "`status.state` is for people, conditions are for tools",
        "One word cannot say that a crawl is frozen and late at once, and a new word breaks who compares it. A "
        "condition is added without breaking anybody; its reasons are never renamed.",
    ),
    (
        "Secrets are named, and in the CrawlJob's namespace",
        "Whoever may write a CrawlJob reaches no other namespace's passwords by it.",
    ),
    (
        "A name has at most 63 characters",
        "It is the value of a label of the workers' pods.",
    ),
)

POLICY = """## What may change within v1alpha1, and how v1beta1 will come

Within v1alpha1, whatever a release brings:

- A CrawlJob that exists is read and served by every later release, and crawls the same. So fields, values of an enum,
  status fields, conditions, reasons and columns are added; none is renamed, takes another meaning, unit or default, or
  is removed.
- A rule or bound may become stricter only for what could not work, or gave credentials away (`tokenURL` of type Spotify
  at another address); a stored object that breaks it is still served.
- A field that gets a better place is deprecated: its description says where to write it instead, it is read until
  v1beta1 is served, and a value that differs from the one at the new place is refused.
- The ledger keeps the spec, and what makes it the same crawl, in these words. What changes there is migrated with the
  schema.

Tests hold this to the CRD and the CrawlJobs of earlier releases ([tests/support/former](../tests/support/former)): each
is read, has the identity that the ledger has of it, is stored by the former CRD, served by the present one, and written
back.

v1beta1 comes when schedules and several windows of a limit have had their place for two releases. The conversion is
`strategy: None`, since a webhook that is down would make every CrawlJob unreadable. So each object must mean the same
under both versions, and they differ in this alone:

| v1alpha1 | v1beta1 |
|---|---|
"""
STEPS = """
| release | v1alpha1 | v1beta1 | stored as |
|---|---|---|---|
| 0 | served; the operator says which CrawlJobs have deprecated fields, and the patch that moves them | | v1alpha1 |
| 1 | served, with a deprecation warning; a deprecated field is refused with the place to write it | served | v1alpha1 |
| 2 | the same | served | v1beta1 |
| 3 | not served | served | v1beta1 |

Moving a field is one merge patch, which the rules allow on a living CrawlJob today. Without it v1beta1 would prune what
v1alpha1 has stored. After release 2 each object is written once (`kubectl get crawljobs -A -o json | kubectl replace -f
-`), and release 3 may come when `status.storedVersions` of the CRD has v1beta1 alone.
"""


def conversion() -> str:
    """Each field of v1alpha1 that v1beta1 has elsewhere."""
    moved = [f"| `{old}` | `{new}` |" for old, new in DEPRECATED.items()]
    return "\n".join([*moved, "| every other field | the same |", ""])
