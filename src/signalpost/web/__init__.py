"""The HTTP API. Its caller passes in the operations of a service; it imports neither service nor configuration."""
