"""What must hold in a release, and the checks that say whether it does.

`findings` are what checks find, `subjects` what they are about; a check is a
function with the decorator `contract` in `published`, `tables`, `usage`, `agreement`,
`attest` or `drift`. `release.yaml` says what columns may hold.
`run` holds a release or a data set to all of them, `strangers` any other file.
"""

from automind_data.contracts import agreement, attest, drift, published, tables, usage
from automind_data.contracts.findings import Finding, one_line, summarize
from automind_data.contracts.registry import CONTRACTS, check, contract

__all__ = [
    "CONTRACTS",
    "Finding",
    "agreement",
    "attest",
    "check",
    "contract",
    "drift",
    "one_line",
    "published",
    "summarize",
    "tables",
    "usage",
]
