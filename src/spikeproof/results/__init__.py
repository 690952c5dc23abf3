"""What was found, as files: ``results.json`` and rows of an audit, ``reproduction.json``.

Audits and recipes write them, reports read them, and neither knows the other.
"""

from spikeproof.results.read import FILE, inside, load, load_reproduction
from spikeproof.results.records import SCHEMA, AttackRecord, Audit, Proportion, Summary
from spikeproof.results.reproduction import (
    REPRODUCTION_FILE,
    Reproduction,
    write_reproduction,
)
from spikeproof.results.rows import RowFile, as_json, write_rows

__all__ = [
    "FILE",
    "REPRODUCTION_FILE",
    "SCHEMA",
    "AttackRecord",
    "Audit",
    "Proportion",
    "Reproduction",
    "RowFile",
    "Summary",
    "as_json",
    "inside",
    "load",
    "load_reproduction",
    "write_reproduction",
    "write_rows",
]
