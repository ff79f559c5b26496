"""One rate limit for all processes: at most N requests arrive in any window, whatever dies, sleeps or forgets.

The promise is about arrivals at the API, not about grants. A bucket has N slots in Redis; a permit holds one until its
request's answer is one window old, or, without an answer, until the latest it can have arrived is. The rules live in
`lua/bucket_*.lua`; this package asks, waits and tells. It refuses to compare clocks of two machines.
"""
