"""The HTTP that a process answers: probes and metrics."""
