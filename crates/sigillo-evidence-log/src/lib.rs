//! sigillo-evidence-log.
