"""All that contradicts a promise in what a run's recorders wrote down."""

from simulation import check_destinations, check_ends, check_pace, check_sends
from simulation.evidence import Evidence
from simulation.run import Run

_RULES = (check_ends.findings, check_sends.findings, check_destinations.findings, check_pace.findings)


def findings(run: Run) -> list[str]:
    """Every finding, in words; none where all promises were kept."""
    evidence = Evidence(run)
    unwell = [f"P11: health reports, though nothing is wrong: {reason}" for reason in sorted(run.recorder.unwell)]
    return [finding for rule in _RULES for finding in rule(evidence)] + unwell
