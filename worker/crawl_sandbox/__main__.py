"""`python -m crawl_sandbox`: the same as `artistcrawl sandbox`, for tests and supervisors that start a process."""

import sys

from crawl_sandbox.cli import main

sys.exit(main())
