//! Scenarios over the real binary, and what keeps the house tidy.

mod tidy;
