"""Keeps promises: takes notifications in, writes them down, and delivers each in order and in time."""
