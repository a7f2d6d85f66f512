//! sigillo-authorities.
