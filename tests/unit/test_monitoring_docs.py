"""What the documentation has people paste finds what there is, and Prometheus takes it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.processes.servers import unavailable
from support.proofs.documented_scrape import README, documented_configuration

from crawl_operator.values import names

ROOT = Path(__file__).parents[2]
CLUSTER = README.read_text(encoding="utf-8")
SCRAPE = documented_configuration()
LAPTOP = ROOT / "grafana" / "prometheus.yml"
CONFIGURATIONS = {"cluster": SCRAPE, "laptop": yaml.safe_load(LAPTOP.read_text(encoding="utf-8"))}


def jobs_of(where: str) -> list[dict[str, Any]]:
    return list(CONFIGURATIONS[where]["scrape_configs"])


@pytest.mark.parametrize("where", CONFIGURATIONS)
def test_prometheus_leaves_our_series_the_namespace_that_they_name(where: str) -> None:
    assert [job["honor_labels"] for job in jobs_of(where)] == [True]


def test_the_cluster_is_searched_for_the_label_that_our_pods_have() -> None:
    (discovery,) = jobs_of("cluster")[0]["kubernetes_sd_configs"]
    name, _, value = discovery["selectors"][0]["label"].partition("=")
    assert names.COMMON_LABELS[name] == value


@pytest.mark.parametrize("where", CONFIGURATIONS)
def test_prometheus_takes_the_configuration(where: str, tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        unavailable("promtool is not installed")
    # Some builds know no Kubernetes; and the rules are checked for themselves.
    jobs = [{key: each for key, each in job.items() if not key.endswith("_sd_configs")} for job in jobs_of(where)]
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump({**CONFIGURATIONS[where], "scrape_configs": jobs, "rule_files": []}))
    checked = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_laptops_prometheus_reads_the_alerts() -> None:
    patterns = CONFIGURATIONS["laptop"]["rule_files"]
    assert [path for pattern in patterns for path in LAPTOP.parent.glob(pattern)]


def test_every_value_that_the_documentation_names_is_one() -> None:
    values = yaml.safe_load((ROOT / "charts" / "artistcrawl" / "values.yaml").read_text(encoding="utf-8"))
    section = CLUSTER.partition("## Monitoring")[2].partition("\n## ")[0]
    named = set(re.findall(r"\b((?:metrics|prometheusRule|dashboards|networkPolicy)(?:\.[a-zA-Z]+)+)", section))
    unknown = [path for path in sorted(named) if not _leads_somewhere(values, path.split("."))]
    assert named
    assert unknown == []


def _leads_somewhere(values: dict[str, Any], path: list[str]) -> bool:
    for name in path:
        if values == {}:  # a free map, such as labels
            return True
        if name not in values:
            return False
        values = values[name]
    return True
