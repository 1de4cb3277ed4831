//! What a document leaves out where it says nothing.

/// Whether a number is what reading gives where none is written.
pub(crate) fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}
