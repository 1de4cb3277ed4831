//! The first operator's key. Without one nobody could make a tenant.

use std::path::Path;

use secrecy::zeroize::Zeroizing;

use super::error::ServeError;
use crate::auth::{ApiKey, IssueKey, KeyRing, Role};
use crate::tenants::Tenants;
use crate::{output, private_file};

/// The file in the data folder that holds the key.
const FILE: &str = "operator.key";
/// The variable that gives a key instead.
pub(super) const VARIABLE: &str = "WEIR_OPERATOR_KEY";

/// Sees to it that an operator can log in: with the key of the variable, else with the one in the file, which is made
/// where it is missing. Once there is an operator, only the variable is looked at.
///
/// # Errors
/// A key that is none, a file that cannot be made, the store's.
pub(super) async fn operator_key(keys: &KeyRing, dir: &Path, variable: Option<&str>) -> Result<(), ServeError> {
    if let Some(text) = variable {
        return import(keys, text, VARIABLE).await;
    }
    if keys.has_operator(&Tenants::system()?).await? {
        return Ok(());
    }
    let path = dir.join(FILE);
    let folder = |source| ServeError::Folder { dir: dir.to_owned(), source };
    if path.exists() {
        let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(folder)?);
        return import(keys, &text, &format!("`{}`", path.display())).await;
    }
    let key = ApiKey::generate(Tenants::system()?).map_err(crate::auth::KeyRingError::from)?;
    let text = key.reveal();
    private_file::create(&path, Zeroizing::new(format!("{}\n", *text)).as_bytes()).map_err(folder)?;
    import(keys, &text, FILE).await?;
    output::remark(&format!(
        "weir: this is the first start: the operator's key is in {} (only you can read it); keep it safe",
        path.display()
    ));
    Ok(())
}

async fn import(keys: &KeyRing, text: &str, place: &str) -> Result<(), ServeError> {
    let system = Tenants::system()?;
    let key: Option<ApiKey> = text.trim().parse().ok().filter(|key: &ApiKey| key.tenant == system);
    let key = key.ok_or_else(|| ServeError::OperatorKey { place: place.to_owned() })?;
    if keys.principal(&key).await.is_ok() {
        return Ok(());
    }
    let issue = IssueKey { tenant: system, role: Role::Operator, label: "first operator".to_owned(), expires_at: None };
    keys.import(&key, issue).await?;
    Ok(())
}
