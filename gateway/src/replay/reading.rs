//! Reading a recording beside whoever plays it.

use std::sync::Arc;

use slipstream_protocol::Sample;
use tokio::sync::mpsc;

use super::{Period, Recording, RecordingError, history, recording::Problems};
use crate::{app::Services, relay::source::Stop};

/// Samples read together.
const CHUNK: usize = 256;

/// Consecutive samples, or why there are no more.
pub(super) type Chunk = Result<Vec<Sample>, RecordingError>;

/// Reads the samples of a period; what cannot be read is put into `problems`. It ends with its receiver.
pub(super) fn read(services: &Services, recording: &Recording, period: Period, problems: Arc<Problems>) -> mpsc::Receiver<Chunk> {
    let (read, chunks) = mpsc::channel(4);
    let now = services.clock.now();
    if *recording == Recording::Series {
        let (store, left_out) = (services.series.clone(), services.pipelines.stored_below());
        tokio::spawn(history::send(store, period, left_out, now, read));
        return chunks;
    }
    let (recording, data_dir) = (recording.clone(), services.config.data_dir.clone());
    // On a thread that may wait for the disk.
    tokio::task::spawn_blocking(move || {
        // A line without an end is not read to it for a replay that was stopped.
        let listener = read.clone();
        let stop = Stop::when(move || listener.is_closed());
        let samples = match recording.open(&data_dir, now, &problems, stop) {
            Ok(samples) => samples,
            Err(error) => {
                let _ = read.blocking_send(Err(error));
                return;
            }
        };
        let mut chunk = Vec::with_capacity(CHUNK);
        for sample in samples {
            match sample {
                Ok(sample) if is_replayed(&sample) || !period.has(&sample) => {}
                Ok(sample) => chunk.push(sample),
                Err(error) => {
                    let _ = read.blocking_send(Ok(std::mem::take(&mut chunk)));
                    let _ = read.blocking_send(Err(error));
                    return;
                }
            }
            if chunk.len() >= CHUNK && read.blocking_send(Ok(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)))).is_err() {
                return;
            }
        }
        let _ = read.blocking_send(Ok(chunk));
    });
    chunks
}

/// What was itself played again is not a recording.
fn is_replayed(sample: &Sample) -> bool {
    sample.session.as_ref().is_some_and(|s| s.as_str().starts_with("replay-") && sample.vehicle.as_str().starts_with(s.as_str()))
}
