"""Leader election by a Kubernetes Lease."""
