//! The meaning of every verb. A case is a function on a store; each runs on each back end. A new back end is done
//! when its line in `on_every_back_end` passes.

mod starts;
mod steps;
mod background;
mod claims;
mod suspended;
mod listings;
mod definitions;
mod values;
mod children;
mod retention;
mod room;
mod tenants;

macro_rules! on_every_back_end {
    ($($case:ident),* $(,)?) => {
        mod on_memory { $(
            #[tokio::test]
            async fn $case() {
                let bench = crate::support::memory();
                super::$case(&*bench.store).await;
            }
        )* }
        mod on_sled { $(
            #[tokio::test]
            async fn $case() {
                let bench = crate::support::sled();
                super::$case(&*bench.store).await;
            }
        )* }
    };
}
use on_every_back_end;
