"""What is known now, as values of metrics."""
