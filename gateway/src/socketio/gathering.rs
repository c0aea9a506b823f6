//! What changes at about the same time leaves in few writes to each client, where each change on its own would cost
//! a write to each.

use tokio::{sync::mpsc, task::yield_now};

/// Most changes that leave together.
const MOST: usize = 64;
/// So often nothing more may have changed before what did leaves. At each look whatever is ready runs, and what
/// clients sent is read; with nothing to do it takes about a microsecond.
const QUIET: usize = 8;

/// Waits for changes and takes those that come with the first into `changes`; false when none will come any more.
pub(super) async fn gather<T>(from: &mut mpsc::Receiver<T>, changes: &mut Vec<T>) -> bool {
    if from.recv_many(changes, MOST).await == 0 {
        return false;
    }
    let mut quiet = 0;
    while changes.len() < MOST && quiet < QUIET {
        yield_now().await;
        let before = changes.len();
        while changes.len() < MOST
            && let Ok(change) = from.try_recv()
        {
            changes.push(change);
        }
        quiet = if changes.len() == before { quiet + 1 } else { 0 };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_changes_meanwhile_comes_along_in_order_and_up_to_a_bound() {
        let (out, mut from) = mpsc::channel(4 * MOST);
        out.try_send(0).unwrap();
        let later = tokio::spawn({
            let out = out.clone();
            async move {
                for change in 1..10 {
                    yield_now().await;
                    out.try_send(change).unwrap();
                }
            }
        });
        let mut changes = Vec::new();
        assert!(gather(&mut from, &mut changes).await);
        later.await.unwrap();
        assert_eq!(changes, (0..10).collect::<Vec<_>>());
        (0..=MOST).for_each(|change| out.try_send(change).unwrap());
        for many in [MOST, 1] {
            changes.clear();
            assert!(gather(&mut from, &mut changes).await);
            assert_eq!(changes.len(), many);
        }
        drop(out);
        assert!(!gather(&mut from, &mut changes).await);
    }
}
