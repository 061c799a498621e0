"""What people and programs send, as values: one reader for the command line, HTTP, the hooks and candle files. Pure."""
