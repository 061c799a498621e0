"""Parses input from people and programs; the command line, HTTP, hooks and candle files share it. Pure."""
