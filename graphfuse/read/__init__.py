"""Files to Cohort."""

from graphfuse.read.abide import fetch_abide, load_abide
from graphfuse.read.build import build_cohort, read_cohort
from graphfuse.read.manifest import Manifest, load_manifest, parse_manifest

__all__ = ["Manifest", "build_cohort", "fetch_abide", "load_abide", "load_manifest", "parse_manifest", "read_cohort"]
