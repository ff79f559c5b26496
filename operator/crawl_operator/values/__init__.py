"""Plain values and names that every room of the operator may use."""
