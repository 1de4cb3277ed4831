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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use weir_stores::MemoryStore;

    fn key_ring() -> KeyRing {
        KeyRing::new(Arc::new(MemoryStore::default()), Arc::new(crate::clock::SystemClock))
    }

    async fn role(keys: &KeyRing, text: &str) -> Option<Role> {
        Some(keys.principal(&text.trim().parse().ok()?).await.ok()?.role)
    }

    #[tokio::test]
    async fn the_first_start_makes_a_key_that_only_its_owner_reads() {
        // covers T-02
        let dir = tempfile::tempdir().unwrap();
        let keys = key_ring();
        operator_key(&keys, dir.path(), None).await.unwrap();
        let path = dir.path().join(FILE);
        assert!(!private_file::is_open_to_others(&path).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(role(&keys, &text).await, Some(Role::Operator));
        // A second start on the same store changes nothing; one on an empty store takes the same key again.
        operator_key(&keys, dir.path(), None).await.unwrap();
        let empty = key_ring();
        operator_key(&empty, dir.path(), None).await.unwrap();
        assert_eq!(role(&empty, &text).await, Some(Role::Operator));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[tokio::test]
    async fn a_key_of_the_variable_is_taken_and_writes_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let keys = key_ring();
        let text = ApiKey::generate(Tenants::system().unwrap()).unwrap().reveal();
        for _ in 0..2 {
            operator_key(&keys, dir.path(), Some(&text)).await.unwrap();
        }
        assert_eq!(role(&keys, &text).await, Some(Role::Operator));
        assert!(!dir.path().join(FILE).exists());
        let acme = ApiKey::generate("acme".parse().unwrap()).unwrap().reveal();
        for bad in ["", "nonsense", acme.as_str()] {
            let error = operator_key(&keys, dir.path(), Some(bad)).await.unwrap_err();
            assert!(matches!(error, ServeError::OperatorKey { .. }), "{bad}");
        }
    }
}
