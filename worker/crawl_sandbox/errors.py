"""What can be wrong with how the sandbox was started. A tree of its own: the sandbox imports nothing of the product.

SandboxError               a message that says what to write instead; the command exits 2
├── CatalogueError         the catalogue file cannot be used
├── FaultError             the faults file, or a control request, does not follow the schema
└── OptionError            an option's value has the wrong form
"""

from __future__ import annotations


class SandboxError(Exception):
    """The root. Its message is shown to a person as it is."""


class CatalogueError(SandboxError):
    """The catalogue file is missing, of an unknown kind, or has wrong columns or rows."""


class FaultError(SandboxError):
    """A fault plan or control request that does not follow the schema."""


class OptionError(SandboxError):
    """A limit, latency or credential that cannot be read."""
