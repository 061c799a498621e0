"""A local Discord: rules as pure functions, a server on this machine and a page that shows the channels."""
