//! What published services answer with: their statuses and bodies.

use super::http_outcome::{check, plain};
use super::response_strings::a_body;
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::Check;
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner { needs: &["status", "body"], may: &[], expects: &["attempts", "outcome", "detail"], run: a_status },
    Runner { needs: &["body"], may: &[], expects: &["bodyAccepted"], run: a_body },
];

fn a_status(world: &mut World, vector: &Vector) -> Check {
    let status = u16::try_from(vector.given("status").as_u64().unwrap_or_default())?;
    let mut scene = plain();
    scene.answers = vec![Answer { status, ..Answer::json(vector.given("body")) }];
    check(&scene.run(world)?, vector)
}
