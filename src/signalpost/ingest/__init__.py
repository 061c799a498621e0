"""Reads what people and programs send: the same names for the command line, HTTP, the hooks and candle files. Pure."""
