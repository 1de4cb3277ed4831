//! YAML and JSON documents with the position of every node.

/// A name as a part of a JSON pointer (RFC 6901).
pub fn escape_pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
