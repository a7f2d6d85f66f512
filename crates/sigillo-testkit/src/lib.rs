//! sigillo-testkit.
