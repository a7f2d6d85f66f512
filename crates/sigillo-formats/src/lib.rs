//! sigillo-formats.
