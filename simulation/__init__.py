"""Runs all of delivery in virtual time, with the sandbox's rules and seeded faults, and checks what the channels show.

A seed makes a plan: what is submitted and when, outages, crashes, clock steps, a suspend. A machine runs the real
intake, outbox, dispatcher and Discord sink through it; only the socket and the thread are replaced. A recorder notes
what happens at the three edges: tickets, commits, and requests with their messages. Checks that share no code with
pacing or `decide` then compare the record with the promises. See docs/why/0022-deterministic-simulation.md.

    plan        what will happen, from a seed            workload    what is submitted
    clocks      true time, and the machine's clocks      faults      how and when requests fail
    network     Discord, and the way there               connections aiohttp's session in virtual time
    life        a process, which may die at any step     disk        what outlives a process
    machine     starts, crashes and restarts delivery    recorder    what happened at the edges
    check_*     what contradicts a promise               tally       what occurred: each fault must, in many runs
    run         one seed, from plan to record            many        many seeds on all cores
"""
