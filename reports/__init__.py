"""What it means: results -> typed records -> statistics -> report.md, figures and summary.json."""
