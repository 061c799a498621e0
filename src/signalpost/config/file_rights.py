"""Checks whether others can write a file, by its owner and its mode."""

import os
import stat

_MODES_TELL = os.name == "posix"


def reason_to_distrust(*states: os.stat_result) -> str | None:
    """Why a file is not believed, and how to fix that; None for one that only this user, or root, can write.

    `states` are those of the file, and of the link that leads to it.
    """
    if not _MODES_TELL:
        return None
    own = os.geteuid()
    for state in states:
        if state.st_uid not in {own, 0}:
            return f"it belongs to another user (uid {state.st_uid}), who could change it: chown {own} it"
    is_link = [stat.S_ISLNK(state.st_mode) for state in states]  # whose own mode means nothing
    modes = [state for state, link in zip(states, is_link, strict=True) if not link]
    if any(state.st_mode & stat.S_IWOTH for state in modes):
        return "every user can write it: chmod go-w it"
    if any(state.st_mode & stat.S_IWGRP and not _is_private(state) for state in modes):
        return "its group can write it: chmod g-w it"
    return None


def _is_private(state: os.stat_result) -> bool:
    """Whether the file's group is its owner's own: many systems make one for each user, and let it write."""
    import grp
    import pwd

    try:
        group, owner = grp.getgrgid(state.st_gid), pwd.getpwuid(state.st_uid)
    except KeyError:  # as in a container, whose user may have no name
        return state.st_gid == state.st_uid
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}
