//! The `weir` binary: see the library for everything that it does.

fn main() -> std::process::ExitCode {
    weir::main()
}
