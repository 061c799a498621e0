"""Runs all checks on the record of a run."""

from simulation import check_cards, check_destinations, check_ends, check_pace, check_recaps, check_sends, check_signals
from simulation.evidence import Evidence
from simulation.run import Run

_RULES = (
    check_ends.findings,
    check_sends.findings,
    check_destinations.findings,
    check_pace.findings,
    check_cards.findings,
    check_recaps.findings,
)


def findings(run: Run) -> list[str]:
    """Every broken promise as text; empty if all were kept."""
    if run.plan.has_strategies:
        return list(check_signals.findings(run))
    evidence = Evidence(run)
    reports = run.recorder.health_reports
    health = [f"P11: health reports a problem although there is none: {reason}" for reason in sorted(reports)]
    return [finding for rule in _RULES for finding in rule(evidence)] + health
