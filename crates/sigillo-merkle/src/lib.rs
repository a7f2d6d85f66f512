//! sigillo-merkle.
