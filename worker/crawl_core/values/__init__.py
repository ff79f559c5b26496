"""Plain values that several rooms share. No I/O."""
