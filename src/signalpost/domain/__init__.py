"""Values shared by trading and delivery: frozen, hashable, and independent of files, networks and clocks."""
