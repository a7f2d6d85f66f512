//! Measurements of this project; the programs in `src/bin` are what there is so far.
