//! sigillo-store.
