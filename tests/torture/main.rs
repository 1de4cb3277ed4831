//! The real binary under load, killed at any moment. keeps D2, D6; covers F-06, F-07, F-13, C-11
//!
//! Clients start, resume and look at runs whose flows call an outside system, and note whatever they are told. The server
//! is killed with SIGKILL again and again: at work, and while it starts. At the end a checker holds what it kept against
//! what the clients were told and what the outside system was sent (`history.rs` has the rules).
//!
//! `WEIR_KILLS` says how often (20 by default, 1,000 in `make torture`), `WEIR_SEED` repeats the choices of a trial.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a trial that cannot go on has failed")]

mod mix; // what the load is made of
mod outside; // the outside system
mod api; // what a client of the API sees
mod client; // a client of the load
mod door; // where the server is at the moment
mod dice; // chance that can be had again
mod gather; // what the server has at the end
mod history; // what must hold of all of it
mod trial; // lives and deaths of the server
mod report; // what was tried

use trial::Trial;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[test]
fn no_kill_loses_repeats_or_changes_what_was_acknowledged() {
    let kills = number_from("WEIR_KILLS").unwrap_or(20);
    let seed = number_from("WEIR_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let report = Trial::new(seed).run(kills);
    report.write();
    assert_eq!(report.broken, Vec::<String>::new(), "WEIR_SEED={seed} WEIR_KILLS={kills}");
    // Nothing is proven by a trial in which nothing was going on.
    let counts = &report.counts;
    assert!(report.kills.at_work > 0 && report.kills.starting > 0, "{report:?}");
    assert!(counts.steps > 100 && counts.resumes > 0 && counts.background_calls > 0, "{report:?}");
}
