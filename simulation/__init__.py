"""The delivery wing under virtual time, against the local Discord's rules and seeded faults: a proof by trying.

A seed makes a plan: what is handed in and when, outages, crashes, clock steps, a suspend. A machine runs the real
intake, outbox, dispatcher and Discord sink through it; only the socket and the thread are replaced. Recorders write
down what happened at the three edges: the callers' tickets, the store's commits, the far end's requests and messages.
A reader that shares no code with pacing or with `decide` then judges what the channels show. See
docs/why/0022-deterministic-simulation.md.

    plan        what will happen, from a seed            submissions      what is handed in
    clocks      the true time, and the machine's         weather     which request meets which fault
    faults      every way in which a request goes wrong  network     the far end, and the way there
    connections aiohttp's session, in virtual time       life        a process, which may die at any step
    disk        what outlives a process                  machine     starts, crashes and restarts the wing
    recorder     what the edges saw                       reader_*    what contradicts a promise
    tally       what occurred, which is a condition      run         one seed, from plan to verdict
"""
