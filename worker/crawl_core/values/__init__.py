"""Plain values that several rooms share: rows, limits, cursors, leases, names. No I/O."""
