"""What is known at this moment, of a job and of a process's connections, as values of metrics."""
