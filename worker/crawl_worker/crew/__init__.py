"""The processes of a local run: workers, sandbox and servers, started, watched and started again."""
