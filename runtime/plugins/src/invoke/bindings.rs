//! `wit/` as Rust types. One world with everything that any plugin may export: the host takes the union, and looks up
//! each interface by itself, as exports are optional.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package weir:host;
        world every-hook {
            include weir:plugin/imports@0.1.0;
            export weir:plugin/pre-call@0.1.0;
            export weir:plugin/post-response@0.1.0;
            export weir:plugin/action@0.1.0;
        }
    ",
    imports: { "weir:plugin/connectors@0.1.0.call": async },
    exports: { default: async },
});

pub(crate) use self::exports::weir::plugin::{action, post_response, pre_call};
pub(crate) use self::weir::plugin::{connectors, log, types};
