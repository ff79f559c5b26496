"""PostgreSQL and Valkey from pip wheels, kept in a folder, for runs and tests on one machine.

They listen where only this machine reaches them, and join what a killed run left running. They refuse to start on a
folder whose leftovers they cannot tell apart.
"""

from crawl_worker.embedded.postgres import EmbeddedPostgres
from crawl_worker.embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedPostgres", "EmbeddedValkey"]
