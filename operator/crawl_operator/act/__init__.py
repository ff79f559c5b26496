"""Carries out what was decided: writes to the API server, the ledger and Redis."""
