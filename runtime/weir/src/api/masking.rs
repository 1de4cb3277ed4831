//! Masking of what a tenant is shown. It may be many megabytes, so that it is no work for the threads that serve.

use weir_engine::sensitive::SensitiveNames;

use crate::problem::Problem;

/// The shown thing, masked.
pub(super) async fn masked<T: Send + 'static>(
    names: SensitiveNames,
    mut shown: T,
    mask: impl FnOnce(&mut T, &SensitiveNames) + Send + 'static,
) -> Result<T, Problem> {
    let work = move || {
        mask(&mut shown, &names);
        shown
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| Problem::internal(&error))
}
