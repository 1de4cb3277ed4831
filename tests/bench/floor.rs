//! What the disk can do: one write at a time, and with many callers behind one sync.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::report::Report;

pub(crate) const ONE_AT_A_TIME: &str = "disk: 4 KiB overwrite + fdatasync, one at a time";

const TIME: Duration = Duration::from_secs(1);
const BLOCK: usize = 4096;
/// About what the rows of one step of the benchmark's flow have, with what sled writes around them.
const RECORD_BYTES: usize = 2048;
/// As the store's default.
const GROUP_MAX: usize = 256;

/// The disk's own speed.
pub(crate) fn one_at_a_time(report: &mut Report, folder: &Path) -> anyhow::Result<()> {
    let file = file(folder, BLOCK)?;
    let block = [7_u8; BLOCK];
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < TIME {
        file.write_all_at(&block, 0)?;
        file.sync_data()?;
        count += 1;
    }
    report.add(ONE_AT_A_TIME, "/s", f64::from(count) / started.elapsed().as_secs_f64(), None);
    Ok(())
}

fn file(folder: &Path, bytes: usize) -> anyhow::Result<File> {
    let file = File::create(folder.join("floor"))?;
    file.write_all_at(&vec![7; bytes], 0)?;
    file.sync_all()?;
    Ok(file)
}

/// The group-commit floor: so many callers hand a record each to one thread, which writes what waits with one call,
/// syncs once, and tells them all. No keys, no pages, no log: what a store on this disk cannot beat. Commits a second.
pub(crate) async fn group_commit(folder: &Path, callers: usize) -> anyhow::Result<f64> {
    let file = file(folder, GROUP_MAX * RECORD_BYTES)?;
    let (send, jobs) = mpsc::channel::<oneshot::Sender<()>>();
    let writer = std::thread::spawn(move || write_groups(&file, &jobs));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..callers {
        let send = send.clone();
        tasks.push(tokio::spawn(async move {
            let mut count = 0_u32;
            while started.elapsed() < TIME {
                let (told, durable) = oneshot::channel();
                if send.send(told).is_err() || durable.await.is_err() {
                    break;
                }
                count += 1;
            }
            count
        }));
    }
    drop(send);
    let mut count = 0.0;
    for task in tasks {
        count += f64::from(task.await?);
    }
    let elapsed = started.elapsed().as_secs_f64();
    writer.join().map_err(|_| anyhow::anyhow!("the writer of the floor panicked"))??;
    Ok(count / elapsed)
}

fn write_groups(file: &File, jobs: &mpsc::Receiver<oneshot::Sender<()>>) -> std::io::Result<()> {
    let records = vec![7_u8; GROUP_MAX * RECORD_BYTES];
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP_MAX - 1));
        file.write_all_at(records.get(..group.len() * RECORD_BYTES).unwrap_or(&records), 0)?;
        file.sync_data()?;
        for told in group {
            let _ = told.send(());
        }
    }
    Ok(())
}
