"""PostgreSQL and Valkey from pip wheels, kept in a folder, for runs and tests on one machine.

They listen where only this machine reaches them. A server that a killed run left running is joined, not started twice.
"""

from crawl_worker.embedded.postgres import EmbeddedPostgres
from crawl_worker.embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedPostgres", "EmbeddedValkey"]
