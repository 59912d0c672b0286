"""The report of a release: gather plain values, draw them, write one page."""

from automind_data.report.page import build_report

__all__ = ["build_report"]
