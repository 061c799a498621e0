"""`python -m signalpost` is `signalpost`."""

from signalpost.cli import main

main(prog_name="signalpost")
