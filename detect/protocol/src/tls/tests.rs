//! Whole sessions through the parser.
