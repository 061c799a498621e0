import pytest

pytest_plugins = ["signalpost.testing.pytest_plugin"]


@pytest.fixture(autouse=True)
def _this_machine_only(no_real_hosts: None) -> None:
    """No test of ours reaches a real host."""
