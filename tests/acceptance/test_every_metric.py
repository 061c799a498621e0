"""One story moves every metric, and the Grafana board and the alert rules name only what its scrapes have."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from signalpost.service.health import HealthStatus
from tests.acceptance.metrics_story import NAMES, TOKEN, UNREACHABLE, Cache, Labels, Story, lived
from tests.repository.sources import ROOT

OF_TARGETS = {"instance", "job"}
"""The labels that Prometheus adds."""
CONSTANT = {"build_info", "process_max_fds", "process_start_time_seconds", "process_virtual_memory_bytes"}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The whole story."""
    home = tmp_path_factory.mktemp("metrics") / "home"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("signalpost.trading.redis_cache.RedisCache", Cache)
        yield asyncio.run(lived(home, monkeypatch))


def _values(story: Story) -> dict[str, dict[Labels, set[float]]]:
    """The values that each sample had, by metric and labels."""
    found: dict[str, dict[Labels, set[float]]] = {}
    for scraped in story.scrapes:
        for (name, labels), value in scraped.items():
            found.setdefault(name, {}).setdefault(labels, set()).add(value)
    return found


def test_every_metric_moves(story: Story) -> None:
    still = [
        name
        for name, by_labels in _values(story).items()
        if name not in CONSTANT and not any(_has_moved(name, values) for values in by_labels.values())
    ]
    assert still == ["health_reasons"], "it has a sample only while there is a reason"
    assert all(name != "health_reasons" for name, _ in story.scrapes[0])


def _has_moved(name: str, values: set[float]) -> bool:
    """A count begins at 0, before the first scrape."""
    is_count = name.endswith(("_total", "_count", "_sum", "_bucket"))
    return len(values) > 1 or (is_count and values != {0.0})


def test_every_value_of_a_label_that_says_what_happened_occurs(story: Story) -> None:
    values = _values(story)
    for label in ("outcome", "state", "status", "role", "priority", "rule"):
        for name, by_labels in values.items():
            said = {dict(labels)[label]: False for labels in by_labels if label in dict(labels)}
            for labels, found in by_labels.items():
                if label in dict(labels):
                    said[dict(labels)[label]] |= any(found - {0.0})
            assert [each for each, has_occurred in said.items() if not has_occurred] == [], (name, label)
    states = {dict(labels)["status"] for labels in values["health_status"]}
    assert states == {str(each) for each in HealthStatus}


def test_no_scrape_shows_a_secret_or_a_foreign_text(story: Story) -> None:
    for text in story.texts:
        assert not any(each in text for each in (TOKEN, "SECRET", "TITLE", "Own", "127.0.0.1"))
    labels = [each for scraped in story.scrapes for _, labels in scraped for each in labels]
    assert {value for name, value in labels if name == "destination"} == {*NAMES, UNREACHABLE, "other"}


def test_counts_never_decrease_within_a_process(story: Story) -> None:
    began = next(place for place, each in enumerate(story.scrapes) if each["notifications_sent_total", frozenset()] > 1)
    for one, other in zip(story.scrapes[began:-2], story.scrapes[began + 1 : -2], strict=False):
        for key, value in one.items():
            if key[0].endswith(("_total", "_count", "_bucket")) and "cache" not in key[0]:
                assert other[key] >= value, key


def test_every_metric_is_in_the_reference(story: Story) -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `signalpost_(\w+)` \| (?:counter|gauge|histogram) \|(?: *([^|]*) \|)?", page, re.MULTILINE)
    written = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    processes = set(re.findall(r"`signalpost_(process_\w+)`", page))
    found: dict[str, set[str]] = {}
    for name, by_labels in _values(story).items():
        base = re.sub(r"_(bucket|count|sum)$", "", name) if re.search(r"_seconds_(bucket|count|sum)$", name) else name
        base = re.sub(r"^(tickets|deliveries|attempts)_(?!ambiguous|total)\w+?_total$", r"\1_OUTCOME_total", base)
        found.setdefault(base, set()).update(label for labels in by_labels for label, _ in labels if label != "le")
    assert {name for name in found if name.startswith("process_")} == processes
    assert {name: labels for name, labels in found.items() if name not in processes} == written


def _rules() -> Iterator[tuple[str, str]]:
    rules = yaml.safe_load((ROOT / "ops/alert-rules.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["expr"], " ".join(rule["annotations"].values())


def _expressions() -> Iterator[tuple[str, str]]:
    board = json.loads((ROOT / "ops/grafana-board.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"], f"{target['legendFormat']} {panel['title']}"
    yield from _rules()


@pytest.mark.parametrize(("expression", "text"), [*_expressions()])
def test_board_and_rules_name_only_series_and_labels_of_a_scrape(story: Story, expression: str, text: str) -> None:
    values, selected = _values(story), set(OF_TARGETS)

    def check(node: promql.Expr) -> None:
        if isinstance(node, promql.VectorSelector):
            assert node.name is not None
            if node.name == "up":  # Prometheus makes it
                assert {(each.name, each.value) for each in node.matchers.matchers} == {
                    ("job", name) for name in _jobs()
                }
                return
            series = values[node.name.removeprefix("signalpost_")]
            assert node.name.startswith("signalpost_")
            assert not node.matchers.or_matchers
            for matcher in node.matchers.matchers:
                known = {value for labels in series for name, value in labels if name == matcher.name}
                assert set(matcher.value.split("|")) <= known, matcher
            selected.update(name for labels in series for name, _ in labels)

    def check_grouping(node: promql.Expr) -> None:
        modifier = getattr(node, "modifier", None)
        named = getattr(modifier, "labels", None) or getattr(getattr(modifier, "matching", None), "labels", None) or []
        assert set(named) <= selected, (expression, named)

    parsed = promql.parse(expression)
    promql.walk(parsed, pre_visit=check)
    promql.walk(parsed, pre_visit=check_grouping)
    in_text = {*re.findall(r"\$labels\.(\w+)", text), *re.findall(r"\{\{(\w+)\}\}", text)}
    assert in_text <= selected
    assert in_text <= _kept(parsed, selected), "a label that the expression drops"


@pytest.mark.parametrize("expression", [expression for expression, _ in _rules()])
def test_a_rule_alerts_for_each_instance(expression: str) -> None:
    parsed = promql.parse(expression)
    calls: list[str] = []
    promql.walk(parsed, pre_visit=lambda node: calls.append(node.func.name) if isinstance(node, promql.Call) else None)
    assert "instance" in _kept(parsed, OF_TARGETS)
    assert "absent" not in calls, "it is empty as long as one of several instances has the series"


def _kept(parsed: promql.Expr, selected: set[str]) -> set[str]:
    """The labels of the result: those of the outermost aggregation, if there is one."""
    kept: list[set[str]] = []
    promql.walk(
        parsed,
        pre_visit=lambda node: (
            kept.append(set(node.modifier.labels if node.modifier else ()))
            if isinstance(node, promql.AggregateExpr)
            else None
        ),
    )
    return kept[0] if kept else selected


def test_every_important_metric_is_on_the_board() -> None:
    """All but those of `get_metrics` that others replace."""
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8").partition("## The values of")[0]
    names = set(re.findall(r"^\| `(signalpost_\w+)`", page, re.MULTILINE))
    board = (ROOT / "ops/grafana-board.json").read_text(encoding="utf-8")
    assert {name for name in names if name not in board} == set()


def _blocks() -> list[dict[str, Any]]:
    page = (ROOT / "docs/how-to/monitor.md").read_text(encoding="utf-8")
    return [yaml.safe_load(each) for each in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]


def _jobs() -> set[str]:
    return {job["job_name"] for block in _blocks() for job in block.get("scrape_configs", ())}


def test_the_pages_of_the_how_to_can_be_used_as_they_are() -> None:
    """The settings for Prometheus have jobs with targets, and name files that exist."""
    blocks = _blocks()
    jobs = [job for block in blocks for job in block.get("scrape_configs", ())]
    assert len(jobs) == 2
    assert all("metrics_path" not in job and job["static_configs"][0]["targets"] for job in jobs)
    files = [Path(name) for block in blocks for name in block.get("rule_files", ())]
    assert [name.name for name in files] == ["alert-rules.yml"]
