from tests.unit.integration.conftest import config_for, sandbox, sandbox_with

__all__ = ["config_for", "sandbox", "sandbox_with"]
