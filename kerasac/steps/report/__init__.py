"""Write one self-contained HTML page about a run: what was done, how well it went, and what is missing."""

from __future__ import annotations

from kerasac.steps.report.write import renew_report, write_report

__all__ = ["renew_report", "write_report"]
