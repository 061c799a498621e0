"""What both wings speak: frozen, hashable values with no knowledge of files, networks or clocks."""
