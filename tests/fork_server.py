"""The process that `tests.forked` forks: `python -m tests.fork_server SOCKET`.

Each message has the words, the folder and the environment of a program, and its standard streams. The answer is the
number of the process that runs it.
"""

import gc
import importlib
import importlib.util
import json
import os
import pkgutil
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

_NOT_OF_COMMANDS = ("signalpost.__main__", "signalpost.testing")


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork for each request. Returns the request in the fork, and None at the end."""
    prepared = set()
    while True:
        message, streams, *_ = socket.recv_fds(requests, 1 << 20, 3)
        if not message:
            return None
        request: dict[str, Any] = json.loads(message)
        words = request["words"]
        if (program := words[1] if words[0] == "-m" else words[0]) not in prepared:
            prepared.add(program)
            with suppress(Exception):  # the fork fails in the same way, where the test sees it
                _prepare(words)
            gc.collect()
            gc.freeze()
        number = _fork()
        if number == 0:
            requests.close()
            _redirect(streams)
            return request
        for each in streams:
            os.close(each)
        requests.send(str(number).encode())


def _fork() -> int:
    """Fork a process whose parent has ended when this returns, and which thereby belongs to the test's process."""
    reading, writing = os.pipe()
    if (between := os.fork()) == 0:
        os.close(reading)
        if number := os.fork():
            os.write(writing, str(number).encode())
            os._exit(0)
        os.close(writing)
        return 0
    os.close(writing)
    number = int(os.read(reading, 100))
    os.close(reading)
    os.waitpid(between, 0)
    return number


def _redirect(streams: list[int]) -> None:
    for usual, given in enumerate(streams):
        os.dup2(given, usual)
    for given in streams:
        os.close(given)
    encoding = sys.stdout.encoding
    sys.stdin = sys.__stdin__ = open(0, encoding=encoding, closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding=encoding, closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(  # type: ignore[misc]  # noqa: SIM115
        2, "w", buffering=1, encoding=encoding, errors="backslashreplace", closefd=False
    )


def _prepare(words: list[str]) -> None:
    """Import what the program will import. Its own code runs in the fork."""
    if words[:2] == ["-m", "signalpost"]:
        for each in pkgutil.walk_packages(importlib.import_module("signalpost").__path__, "signalpost."):
            if not each.name.startswith(_NOT_OF_COMMANDS):
                importlib.import_module(each.name)
    elif words[0] == "-m":
        importlib.import_module(words[1])
    else:
        sys.path.insert(0, str(Path(words[0]).parent))
        exec(_code_of(words)[0], {"__name__": "prepared", "__file__": words[0]})
        del sys.path[0]


def _code_of(words: list[str]) -> tuple[CodeType, dict[str, Any]]:
    """The code of a program, and what Python sets in its `__main__`."""
    if words[0] != "-m":
        return compile(Path(words[0]).read_bytes(), words[0], "exec"), {"__file__": words[0]}
    spec = importlib.util.find_spec(words[1])
    assert spec is not None
    if spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{words[1]}.__main__")
        assert spec is not None
    code = spec.loader.get_code(spec.name)  # type: ignore[union-attr]
    return code, {"__file__": spec.origin, "__spec__": spec, "__package__": spec.parent}


def become(request: dict[str, Any]) -> None:
    """Run the program as Python runs its `__main__`."""
    words = request["words"]
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    beside = request["folder"] if words[0] == "-m" else str(Path(words[0]).parent)
    sys.path[:1] = [beside, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    code, names = _code_of(words)
    sys.argv = [names["__file__"], *words[2 if words[0] == "-m" else 1 :]]
    main = ModuleType("__main__")
    vars(main).update(names, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    exec(code, vars(main))


if __name__ == "__main__":
    asked = None
    with socket.socket(fileno=int(sys.argv[1])) as listening, suppress(KeyboardInterrupt):  # Ctrl-C ends the tests
        asked = serve(listening)
    if asked is not None:
        become(asked)
