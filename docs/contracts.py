# ruff: noqa: INP001 -- a script beside the page that it writes; no package
"""What may import what, in docs/architecture.md, from pyproject.toml. `python docs/contracts.py` writes it.

The contracts are import-linter's, and stand in one place: a picture drawn by hand would soon be wrong.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "architecture.md"
CONTRACTS = Path(__file__).parents[1] / "pyproject.toml"
BEGIN, END = "<!-- contracts: made by docs/contracts.py -->", "<!-- end of contracts -->"


def picture(contracts: list[dict[str, Any]]) -> str:
    """Each contract about layers as a block, the upper ones first; of the others what they say."""
    blocks = [_block(contract) for contract in contracts if contract["type"] == "layers"]
    others = [f"- {contract['name']}" for contract in contracts if contract["type"] != "layers"]
    return "\n\n".join([*blocks, "And beside the layers:", "\n".join(others)])


def _block(contract: dict[str, Any]) -> str:
    inside = ", ".join(f"`{container}`" for container in contract.get("containers", ()))
    title = f"{contract['name']}{f' (in {inside})' if inside else ''}:"
    return "\n".join([title, "", "```", *contract["layers"], "```"])


def page(text: str, contracts: list[dict[str, Any]]) -> str:
    """The page with the picture in its place. Raises ValueError where the page has no place for it."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page has no place for the contracts: write {BEGIN} and {END} on two lines")
    return f"{before}{BEGIN}\n\n{picture(contracts)}\n\n{END}{after}"


def contracts() -> list[dict[str, Any]]:
    """The contracts, in their order."""
    settings = tomllib.loads(CONTRACTS.read_text(encoding="utf-8"))
    declared: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return declared


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), contracts()), encoding="utf-8")
