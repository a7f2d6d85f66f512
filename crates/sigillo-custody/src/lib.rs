//! sigillo-custody.
