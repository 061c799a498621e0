"""Runs all of delivery in virtual time with the sandbox's rules and seeded faults, and checks the channels.

A seed makes a plan: submissions, outages, crashes, clock steps, a suspend. A machine runs the real intake, outbox,
dispatcher and Discord sink through it; only the socket and the thread are replaced. A recorder notes the tickets, the
commits, and the requests with their messages. Checks that share no code with pacing or `decide` then compare the record
with the promises. See docs/why/0022-deterministic-simulation.md.

    plan        the events of a run, from a seed         workload    the submitted notifications
    trades      changes of trades, and what each version must show
    reader      reads a channel's messages as a subscriber's program does; reader_of_recaps reads the recaps
    clocks      true time and the machine's clocks       faults      the ways requests fail
    network     Discord behind a simulated network       connections aiohttp's session in virtual time
    life        a process that can die at any step       disk        the store, which outlives a process
    process     a process on the store                   machine     starts, crashes, freezes and replaces them
    recaps      which destinations get recaps, and when
    check_*     finds broken promises                    recorder    the record of a run
    run         one seed, from plan to record            tally       counts; each fault must occur in many runs
    many        many seeds on all cores
"""
