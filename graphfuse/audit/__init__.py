"""Audit: can this pipeline cheat on this cohort?"""

from graphfuse.audit.audit import Audit, run_audit
from graphfuse.audit.finding import Finding
from graphfuse.audit.reachable import reachable_labels

__all__ = ["Audit", "Finding", "reachable_labels", "run_audit"]
