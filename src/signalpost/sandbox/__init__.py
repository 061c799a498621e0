"""A local Discord: its rules, pure; a server for them on this machine; a page that shows the channels."""
