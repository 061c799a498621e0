"""Webhooks as Discord gives them, for the tests of the configuration."""

TOKEN = "Zx" * 34


def url(number: int = 1, token: str = TOKEN) -> str:
    """The URL of a webhook that nobody has."""
    return f"https://discord.com/api/webhooks/{123456789012345678 + number}/{token}"
