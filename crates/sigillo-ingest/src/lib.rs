//! sigillo-ingest.
