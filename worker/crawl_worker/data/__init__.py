"""Where the data is, and how it gets out."""
