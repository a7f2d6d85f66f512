//! sigillo-catalogue.
