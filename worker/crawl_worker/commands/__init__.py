"""The subcommands of `artistcrawl` that look at, or act on, what a run keeps."""
