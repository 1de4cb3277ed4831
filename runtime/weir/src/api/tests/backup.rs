//! The backup of the whole store.

use axum::http::StatusCode;

use super::house::{Ask, House};
use crate::auth::Role;

#[tokio::test]
async fn an_operator_gets_a_whole_backup_and_nobody_else_gets_any() {
    // covers T-07, keeps A1
    let house = House::new().await;
    house.furnish().await;
    for role in Role::ALL {
        let answer = house.bytes(Ask::new("GET", "/v1/backup").key(house.key_of(role))).await;
        if role != Role::Operator {
            assert_eq!(answer.0, StatusCode::FORBIDDEN, "{role}");
            continue;
        }
        assert_eq!(answer.0, StatusCode::OK);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup");
        std::fs::write(&file, &answer.1).unwrap();
        let report = weir_stores::verify(&file).unwrap();
        assert_eq!((report.counts.get("runs"), report.faults_found), (Some(&1), 0), "{report:?}");
        // keeps K-01: the credential that the house has
        assert!(!answer.1.windows(6).any(|part| part == b"c4nary"), "a credential is in the clear");
    }
}
