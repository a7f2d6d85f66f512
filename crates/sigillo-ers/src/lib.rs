//! sigillo-ers.
