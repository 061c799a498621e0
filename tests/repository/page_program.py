"""Runs a program of a page: `python -m tests.repository.page_program SANDBOX PROGRAM ...`.

The program is a file of the page, or a module. If SANDBOX is not empty, a dry run goes to the sandbox at this address.
Everything public is imported first, so that forks of this module start fast.
"""

import runpy
import sys

import signalpost
from signalpost.config import destinations

for _name in signalpost.__all__:
    getattr(signalpost, _name)


def main() -> None:
    sandbox, program, *words = sys.argv[1:]
    sys.argv[:] = [program, *words]
    if sandbox:
        destinations.SANDBOX = sandbox
    if program.endswith(".py"):
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
