"""A user's own series: from a CSV or Parquet file to a task."""
