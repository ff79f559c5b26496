"""A worker as a process: its start, its end, what it serves."""
