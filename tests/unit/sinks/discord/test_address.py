import traceback
from urllib.parse import urlsplit

import pytest
import yarl

from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret, redacted
from signalpost.sinks.discord.address import WebhookAddress
from tests.surface.errors import Facts, facts_of

ID = "1234567890123456789"
TOKEN = "aB3-_." + "x" * 62
URL = f"https://discord.com/api/webhooks/{ID}/{TOKEN}"
SENT_TO = f"https://discord.com/api/v10/webhooks/{ID}/{TOKEN}"


@pytest.mark.parametrize(
    "url",
    [
        URL,
        f"  {URL}/ \n",
        f"HTTPS://Discord.com:443/api/webhooks/{ID}/{TOKEN}",
        *(f"https://{host}/api/webhooks/{ID}/{TOKEN}" for host in ("discordapp.com", "ptb.discord.com")),
        *(f"https://canary.{host}/api/webhooks/{ID}/{TOKEN}" for host in ("discord.com", "discordapp.com")),
        f"https://discord.com/api/v6/webhooks/{ID}/{TOKEN}",
        f"https://discord.com/api/v10/webhooks/{ID}/{TOKEN}/?wait=false&other=1",
        Secret(URL),
    ],
)
def test_every_spelling_of_a_webhook_gives_one_address_of_version_10(url: str | Secret) -> None:
    address = WebhookAddress.parse(url)
    assert address.post_url.reveal() == f"{SENT_TO}?wait=true"
    assert address.get_url.reveal() == SENT_TO
    assert address.host == "discord.com"
    assert address == WebhookAddress.parse(URL)


@pytest.mark.parametrize("digits", [17, 20])
def test_an_id_has_17_to_20_digits(digits: int) -> None:
    assert WebhookAddress.parse(f"https://discord.com/api/webhooks/{'1' * digits}/{TOKEN}").host == "discord.com"


@pytest.mark.parametrize("url", [None, 5, URL.encode()])
def test_anything_but_text_is_refused_and_not_shown(url: object) -> None:
    with pytest.raises(InvalidConfiguration, match="URL") as caught:
        WebhookAddress.parse(url)
    assert facts_of(caught.value) == [Facts("invalid-webhook", "url")]
    assert TOKEN not in repr(caught.value)


def test_a_thread_is_kept_in_the_message_url_only() -> None:
    address = WebhookAddress.parse(f"{URL}?thread_id=42&wait=1")
    assert address.post_url.reveal() == f"{SENT_TO}?wait=true&thread_id=42"
    assert address.get_url.reveal() == SENT_TO
    assert address.identity == WebhookAddress.parse(URL).identity


def test_the_identity_distinguishes_tokens_and_shows_only_the_id() -> None:
    one = WebhookAddress.parse(URL).identity
    assert one.startswith(ID)
    assert TOKEN not in one
    assert one != WebhookAddress.parse(f"{URL}y").identity
    assert one != WebhookAddress.parse(URL.replace(ID, "9" * 18)).identity


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("", "url"),
        ("discord", "url"),
        (f"https://discord.com/api/webhooks/{ID}/{TOKEN} {TOKEN}", "url"),
        (f"https://discord.com/api/webhooks/{ID}/{TOKEN}\u00e9", "url"),
        (f"https://discord.com:port/api/webhooks/{ID}/{TOKEN}", "url"),
        (f"https://[discord.com/api/webhooks/{ID}/{TOKEN}", "url"),
        (f"http://discord.com/api/webhooks/{ID}/{TOKEN}", "scheme"),
        (f"ftp://discord.com/api/webhooks/{ID}/{TOKEN}", "scheme"),
        (f"https://discord.com:8443/api/webhooks/{ID}/{TOKEN}", "port"),
        (f"https://user:pass@discord.com/api/webhooks/{ID}/{TOKEN}", "port"),
        (f"https://example.com/api/webhooks/{ID}/{TOKEN}", "host"),
        (f"https://discord.com.example.com/api/webhooks/{ID}/{TOKEN}", "host"),
        (f"https://evildiscord.com/api/webhooks/{ID}/{TOKEN}", "host"),
        (f"https://127.0.0.1/api/webhooks/{ID}/{TOKEN}", "host"),
        (f"http://10.0.0.1/api/webhooks/{ID}/{TOKEN}", "host"),
        (f"https://discord.com/webhooks/{ID}/{TOKEN}", "path"),
        (f"https://discord.com/api/webhooks/{TOKEN}", "path"),
        (f"https://discord.com/api/webhooks/{ID}/{TOKEN}/messages/7", "path"),
        (f"https://discord.com/api/webhooks/{ID}/{TOKEN}/slack", "path"),
        (f"https://discord.com/api/webhooks/{ID}/{TOKEN}/github/", "path"),
        (f"https://discord.com/api/webhooks/{ID}/{TOKEN}/{TOKEN}", "path"),
        (f"https://discord.com/api/webhooks/{'1' * 16}/{TOKEN}", "id"),
        (f"https://discord.com/api/webhooks/{'1' * 21}/{TOKEN}", "id"),
        (f"https://discord.com/api/webhooks/12345678901234567a/{TOKEN}", "id"),
        (f"https://discord.com/api/webhooks/{ID}/{TOKEN[:59]}", "token"),
        (f"https://discord.com/api/webhooks/{ID}/{TOKEN}%41", "token"),
        (f"{URL}?thread_id=abc", "thread_id"),
        (f"{URL}?thread_id=", "thread_id"),
        (f"{URL}?thread_id=1&thread_id=2", "thread_id"),
    ],
)
def test_an_invalid_webhook_is_refused_by_the_part_that_is_wrong_and_without_the_token(url: str, part: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        WebhookAddress.parse(url)
    assert facts_of(caught.value) == [Facts("invalid-webhook", part)]
    for ending in ("/slack", "/github"):
        assert (ending in str(caught.value)) == (ending in url)
    error: BaseException | None = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert TOKEN[:20] not in "".join(traceback.format_exception(error)).replace(url or "-", "")
    assert TOKEN[:20] not in f"{error!r}"


@pytest.mark.parametrize(
    ("url", "post", "host"),
    [
        (
            "http://127.0.0.1:8751/api/webhooks/1/t",
            "http://127.0.0.1:8751/api/webhooks/1/t?wait=true",
            "127.0.0.1:8751",
        ),
        ("http://localhost:1/x/", "http://localhost:1/x/?wait=true", "localhost:1"),
        ("http://[::1]:1/x", "http://[::1]:1/x?wait=true", "[::1]:1"),
        ("http://127.0.0.1", "http://127.0.0.1/?wait=true", "127.0.0.1"),
        ("http://127.0.0.1/x?a=1&wait=false&thread_id=2", "http://127.0.0.1/x?a=1&thread_id=2&wait=true", "127.0.0.1"),
        ("http://127.0.0.1/a%2Fb", "http://127.0.0.1/a%2Fb?wait=true", "127.0.0.1"),
        ("http://me:pw@127.0.0.1:1/x", "http://me:pw@127.0.0.1:1/x?wait=true", "127.0.0.1:1"),
    ],
)
def test_a_server_on_this_machine_is_used_as_it_is(url: str, post: str, host: str) -> None:
    address = WebhookAddress.parse(url)
    assert address.post_url.reveal() == post
    assert address.get_url.reveal() == post.partition("?")[0]
    assert address.host == host


def test_the_identity_on_this_machine_depends_on_host_and_path() -> None:
    one = WebhookAddress.parse("http://127.0.0.1:1/hook/secret-path?thread_id=1").identity
    assert one == WebhookAddress.parse("http://127.0.0.1:1/hook/secret-path").identity
    assert one != WebhookAddress.parse("http://127.0.0.1:1/hook/another-path").identity
    assert one != WebhookAddress.parse("http://127.0.0.1:2/hook/secret-path").identity
    assert "secret" not in one


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:1/hook/secret-path"])
def test_an_address_never_shows_its_token(url: str) -> None:
    address = WebhookAddress.parse(url)
    for text in (repr(address), str(address), f"{address}", repr(address._asdict())):
        assert TOKEN not in text
        assert "secret-path" not in text
    for hidden in address.hidden:
        assert redacted(f"about {hidden.reveal()} in a text") == "about *** in a text"


ONLY_HERE = "MTIzNDU2Nzg5MDEy"
OTHER = "bC4-_." + "y" * 62


@pytest.mark.parametrize(
    ("url", "echoed"),
    [
        (f"http://127.0.0.1:8080/api/webhooks/{ID}/{OTHER}", OTHER),
        (f"http://127.0.0.1:8080/api/v10/webhooks/{ID}/{OTHER}/slack?wait=true", OTHER),
        (f"http://127.0.0.1:8080/proxy/webhooks/{ID}/t0k-en78/", "t0k-en78"),
        (f"http://127.0.0.1:1/hook/{ONLY_HERE}/send", ONLY_HERE),
        (f"http://127.0.0.1:1/hook?wait=true&key={ONLY_HERE}==&x=1", ONLY_HERE),
        ("http://me:password@127.0.0.1:1/hook", "password"),
    ],
)
def test_secrets_in_an_address_on_this_machine_are_masked_on_their_own_too(url: str, echoed: str) -> None:
    address = WebhookAddress.parse(url)
    assert redacted(f"Unknown Webhook {echoed}") == "Unknown Webhook ***"
    assert echoed not in repr(address)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        *((f"http://127.0.0.1:1/to/{usual.name}", usual.name) for usual in USUAL_DESTINATIONS),
        (f"http://127.0.0.1:1/api/webhooks/{ID}/{TOKEN}?thread_id={ID}", ID),
        ("http://127.0.0.1:1/api/webhooks/1/free", "free"),
        ("http://127.0.0.1:1/hook", "hook"),
    ],
)
def test_words_and_ids_of_a_url_of_this_machine_stay_readable(url: str, word: str) -> None:
    address = WebhookAddress.parse(url)
    assert redacted(f"to {word}") == f"to {word}"
    assert address


ODD = [
    r"http://127.0.0.1:8751/api\webhooks/a/b",
    r"http://127.0.0.1:8751/a?b=\c",
    r"http://evil.example\@127.0.0.1/a",
    "http://evil.example@x@127.0.0.1/a",
    "http://127.0.0.1:0/a",
    "http://127.0.0.1:/a",
    "http://127.0.0.1:8751/a|b",
    "http://127.0.0.1:8751/a<b>",
    "http://127.0.0.1:8751/%zz",
    "http://[::1]x:8751/a",
    "http://127.0.0.1:8751/a?b=%",
]


@pytest.mark.parametrize("url", ODD)
def test_a_url_that_parsers_read_differently_is_refused(url: str) -> None:
    """Otherwise each send would fail or go to another server."""
    with pytest.raises(InvalidConfiguration):
        WebhookAddress.parse(url)


def test_a_port_above_65535_is_refused() -> None:
    with pytest.raises(InvalidConfiguration):
        WebhookAddress.parse("http://127.0.0.1:99999/a")


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pa%20ss@localhost:8751/api/webhooks/a/b?thread_id=1",
        "http://[::1]:8751/",
        "http://LOCALHOST/a;b,c(d)",
        "http://127.0.0.1",
    ],
)
def test_a_url_that_all_parsers_read_alike_is_accepted(url: str) -> None:
    """The HTTP client must find the same host and port."""
    address = WebhookAddress.parse(url)
    parts, sent = urlsplit(url), yarl.URL(address.post_url.reveal(), encoded=True)
    assert (sent.host, sent.port) == (parts.hostname, parts.port or 80)


@pytest.mark.parametrize(
    ("query", "thread", "kept"),
    [("", None, ""), ("?wait=true", None, ""), ("?thread_id=5", "5", "?thread_id=5"), ("?wait=1&a=b", None, "?a=b")],
)
@pytest.mark.parametrize("host", ["https://discord.com", "http://127.0.0.1:8080"])
def test_a_message_is_edited_in_the_thread_of_its_webhook(host: str, query: str, thread: str | None, kept: str) -> None:
    token = "t" * 68
    address = WebhookAddress.parse(f"{host}/api/v10/webhooks/123456789012345678/{token}{query}")
    url = address.message_url("7").reveal()
    if host.startswith("https"):
        kept = kept if thread else ""
    assert url == f"{host}/api/v10/webhooks/123456789012345678/{token}/messages/7{kept}"
    assert address.thread == thread
    assert token not in repr(address.message_url("7"))


def test_an_odd_message_id_stays_one_part_of_the_path() -> None:
    address = WebhookAddress.parse("http://127.0.0.1:8080/hook/")
    assert address.message_url("a/../b?c").reveal() == "http://127.0.0.1:8080/hook/messages/a%2F..%2Fb%3Fc"
