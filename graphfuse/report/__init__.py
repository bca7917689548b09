"""The evaluation as one self-contained page."""

from graphfuse.report.document import write_report

__all__ = ["write_report"]
