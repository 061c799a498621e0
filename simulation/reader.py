"""All that contradicts a promise in what a run's witnesses wrote down."""

from simulation import reader_of_ends, reader_of_far_ends, reader_of_pace, reader_of_sends
from simulation.evidence import Evidence
from simulation.run import Run

_RULES = (reader_of_ends.findings, reader_of_sends.findings, reader_of_far_ends.findings, reader_of_pace.findings)


def findings(run: Run) -> list[str]:
    """Every finding, in words; none where all promises were kept."""
    evidence = Evidence(run)
    unwell = [f"P11: health reports, though nothing is wrong: {reason}" for reason in sorted(run.witness.unwell)]
    return [finding for rule in _RULES for finding in rule(evidence)] + unwell
