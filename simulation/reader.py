"""All that contradicts a promise in what a run's witnesses wrote down."""

from simulation import reader_of_ends, reader_of_far_ends, reader_of_pace, reader_of_sends
from simulation.evidence import Evidence
from simulation.run import Run

_RULES = (reader_of_ends.findings, reader_of_sends.findings, reader_of_far_ends.findings, reader_of_pace.findings)


def findings(run: Run) -> list[str]:
    """Every finding, in words; none where all promises were kept."""
    evidence = Evidence(run)
    return [finding for rule in _RULES for finding in rule(evidence)]
