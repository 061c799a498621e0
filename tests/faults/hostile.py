"""Hostile requests, made from a seed. Each is the bytes of one connection."""

import json
from collections.abc import Callable
from random import Random

PAGES = (
    *("signals", "alerts", "analyses", "announcements", "statuses"),
    *("signals/%231/update", "signals/%231/fill", "signals/EURUSD/close", "signals/%00/cancel"),
)
SIGNAL = {"pair": "EURUSD", "timeframe": "H4", "side": "buy", "entry": 1.1634, "time": "2099-01-01T00:00:00Z"}
ALERT = {"ticker": "EURUSD", "interval": "240", "action": "buy", "price": "1.1634", "time": "2099-01-01T00:00:00Z"}
TRADE = {
    "event": "entry_fill",
    "timeframe": "5m",
    "trade_id": "1",
    "pair": "BTC/USDT",
    "direction": "Long",
    "open_rate": "61234.5",
    "open_date": "2099-01-01 00:00:00",
}
ODD_TEXTS = (
    *("", " ", "\0", "a\0b", "\ud800", "\u202e", "x" * 5_000, "../../etc/passwd", "{{close}}", "NaN", "1e999", "-0"),
    *("' OR 1=1 --", "<script>alert(1)</script>", "@everyone", "%s%n", "${jndi:ldap://x}", "\r\nSet-Cookie: a=b"),
    *("2025-02-30", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9" * 400, "1/0", "H0", "1M", "EUR_USD"),
)
_ODD_NAMES = ("__class__", "__init__", "webhook", "destination", "context", "priority", "user_tier", "kind", "\0", "")

Maker = Callable[[Random, str], bytes]


def request(random: Random, token: str) -> bytes:
    """The bytes of one request."""
    return random.choice(_MAKERS)(random, token)


def _value(random: Random, depth: int = 0) -> object:
    if depth < 3 and random.random() < 0.2:
        if random.random() < 0.5:
            return [_value(random, depth + 1) for _ in range(random.randrange(4))]
        return {random.choice((*_ODD_NAMES, "a")): _value(random, depth + 1) for _ in range(random.randrange(4))}
    odd = (None, True, False, 0, -1, 10**30, 1e308, -1e-320, random.random(), random.getrandbits(64))
    return random.choice((*odd, *ODD_TEXTS))


def _body(random: Random, usual: dict[str, object]) -> bytes:
    fields = dict(usual)
    for name in {"time", "trade_id"} & usual.keys():
        fields[name] = f"2099-01-01T{random.randrange(24):02}:{random.randrange(60):02}:00Z"
    for _ in range(random.randrange(6)):
        name = random.choice(
            (*fields, *_ODD_NAMES, "sl", "tp", "id", "strategy", "valid_until", "confidence", "market_position")
        )
        fields[name] = _value(random)
    return json.dumps(fields).encode()


def _broken(random: Random, usual: dict[str, object]) -> bytes:
    whole = json.dumps(usual).encode()
    at = random.randrange(len(whole))
    return random.choice(
        (
            whole[:at],
            whole[:at] + bytes([random.randrange(256)]) + whole[at + 1 :],
            random.randbytes(random.randrange(2_000)),
            b"[" * random.randrange(1, 60_000),
            b'{"a":' * random.randrange(1, 10_000),
            whole[:-1] + b', "entry": ' + b"9" * random.randrange(1, 50_000) + b"}",
            whole[:-1] + b', "price": 1e' + b"9" * random.randrange(1, 400) + b"}",
            whole[:-1] + b", " + whole[1:],
            whole[:-1] + b', "sl": NaN, "tp": -Infinity}',
            b"\xff\xfe" + whole.decode().encode("utf-16-le"),
            whole[:-1] + b', "comment": "\xc3\x28"}',
            b" " * random.randrange(65_000, 70_000),
            b"a=1&b=2",
            b"BUY EURUSD @ 1.1",
            b'ticker="EURUSD interval=240',
        )
    )


def _post(path: str, body: bytes, *headers: str, content_type: str = "application/json") -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, f"Content-Type: {content_type}", *headers, "", ""]).encode("latin-1") + body


def _to_the_api(random: Random, token: str) -> bytes:
    body = (_body if random.random() < 0.7 else _broken)(random, SIGNAL)
    key = f"Idempotency-Key: {random.choice(('k', 'k' * 300, 'a b', str(random.random())))}"
    content_type = random.choice(("application/json",) * 6 + ("text/plain", "application/json; charset=utf-7", "x", ""))
    headers = [f"Authorization: Bearer {token}", *([key] if random.random() < 0.3 else [])]
    return _post(f"/api/v1/{random.choice(PAGES)}", body, *headers, content_type=content_type)


def _to_a_hook(random: Random, token: str) -> bytes:
    kind, usual = random.choice((("tradingview", ALERT), ("freqtrade", TRADE)))
    body = (_body if random.random() < 0.7 else _broken)(random, usual)  # type: ignore[arg-type]  # texts alone
    return _post(f"/hooks/{kind}/{token}", body, content_type=random.choice(("text/plain", "application/json", "x")))


def _wrong_token(random: Random, token: str) -> bytes:
    wrong = random.choice((token[:-1], token + "x", token.upper(), "x" * 5_000, "%00", "\xff", "a b", token[::-1]))
    if random.random() < 0.5:
        return _post(f"/hooks/tradingview/{wrong}", b"{}")
    scheme = random.choice(("Bearer", "bearer", "Basic", "Bearer Bearer", ""))
    return _post("/api/v1/signals", b"{}", f"Authorization: {scheme} {wrong}")


def _path_trick(random: Random, token: str) -> bytes:
    path = random.choice(
        (
            f"/hooks/tradingview/{token}/",
            f"/hooks/tradingview/../freqtrade/{token}",
            f"/hooks/%74radingview/{token}",
            f"/hooks/tradingview/{token}%00",
            f"/hooks/tradingview/{token}?token={token}",
            f"//hooks//tradingview//{token}",
            f"http://elsewhere.invalid/hooks/tradingview/{token}",
            f"/hooks/tradingview/{token}#x",
            f"/hooks/nothing/{token}",
            f"/api/v1/{token}",
            f"/api/v1/tickets/{token}",
            f"/api/v1/signals/{token}",
            f"/api/v1/signals/{token}/close",
            "/api/v1/signals?limit=1e9&state=%00&pair=%ff",
            "/api/v1/tickets/%2e%2e%2f%2e%2e%2ftokens.json",
            "/../../../../etc/passwd",
            "/%c0%ae%c0%ae/",
            "/tokens.json",
            "*",
            "/" + "a" * 7_000,
            "/" + "../" * 2_000,
            "/health/../api/v1/signals",
            "/api/v1/signals;x=y",
            "/api/v1/signals\\..\\..",
        )
    )
    method = random.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "BREW"))
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode("latin-1")


def _head_trick(random: Random, token: str) -> bytes:
    line = f"POST /hooks/tradingview/{token} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
    return line + random.choice(
        (
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n{}  ",
            b"Content-Length: -1\r\n\r\n",
            b"Content-Length: 99999999999999999999\r\n\r\n{}",
            b"Content-Length: 2\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
            b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}",
            b"Transfer-Encoding: chunked\r\n\r\n2;x=" + b"y" * 9_000 + b"\r\n{}\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
            b"Expect: tea\r\nContent-Length: 2\r\n\r\n{}",
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}",
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}"
            + b"A" * random.randrange(400_000),
            b"X: " + b"y" * random.randrange(100, 20_000) + b"\r\nContent-Length: 2\r\n\r\n{}",
            b"".join(b"X-%d: y\r\n" % number for number in range(random.randrange(50, 3_000))) + b"\r\n",
            b" folded: x\r\n\r\n",
            b"Name\x00: x\r\n\r\n",
            b"Bad Name: x\r\n\r\n",
            b"X: \r\r\n\r\n",
        )
    )


def _no_http(random: Random, token: str) -> bytes:
    return random.choice(
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(50),
            random.randbytes(random.randrange(1, 500)) + b"\r\n\r\n",
            f"POST /hooks/tradingview/{token}\r\n\r\n".encode(),
            f"POST /hooks/tradingview/{token} HTTP/7.1\r\n\r\n".encode(),
            f"GET  /hooks/tradingview/{token}  HTTP/1.1\r\n\r\n".encode(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\r\n" * 100 + b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n",
            b"GET /health HTTP/1.0\r\n\r\n",
        )
    )


_MAKERS: tuple[Maker, ...] = (
    *((_to_the_api,) * 6),
    *((_to_a_hook,) * 6),
    _wrong_token,
    _path_trick,
    _path_trick,
    _head_trick,
    _head_trick,
    _no_http,
)
