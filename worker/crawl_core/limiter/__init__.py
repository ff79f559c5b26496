"""One rate limit for all processes: at most N requests arrive in any window, whatever dies, sleeps or forgets.

The promise is about arrivals at the API, not about grants: a limiter that counts grants lets network jitter bunch the
arrivals. A bucket has N slots in Redis. A permit holds one slot until its request's answer is one window old; without
an answer, until one window after the latest instant at which the request can have arrived.

The rules stand in `lua/bucket_*.lua`, which read the server's clock alone. This package calls them and waits:

    limiter   one process's permits: one task talks to Redis for all others
    queue     hands permits to waiting tasks          returns   what is still to be told to the bucket
    permit    the right to send one request           record    keeps bucket and ledger row alike, and its freeze
    bucket    the scripts, typed                      freeze    how long a 429 pauses
    state     what status and metrics show
"""
