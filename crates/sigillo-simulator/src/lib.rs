//! sigillo-simulator.
