"""PostgreSQL and Redis as every part reaches them: addresses, connections, scripts, queries."""
