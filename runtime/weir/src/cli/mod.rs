//! x
pub(crate) fn main() -> std::process::ExitCode {
    crate::exit::Exit::Done.into()
}
