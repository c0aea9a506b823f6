//! Connections subscribe to all channels of a kind while the channels' owners publish.

use loom::{sync::Arc, thread};

use crate::{subscription::Subscription, wildcards::Wildcards};

fn subscription(key: u64, connection: u64) -> Arc<Subscription> {
    Arc::new(Subscription { key, connection })
}

fn keys(list: &[Arc<Subscription>]) -> Vec<u64> {
    list.iter().map(|s| s.key()).collect()
}

#[test]
fn an_owner_that_keeps_a_copy_finds_every_change() {
    loom::model(|| {
        let wildcards = Arc::new(Wildcards::default());
        let connection = {
            let wildcards = wildcards.clone();
            thread::spawn(move || {
                wildcards.add(subscription(1, 1));
                wildcards.add(subscription(2, 2));
                wildcards.remove(1);
            })
        };
        let (mut seen, mut copy) = wildcards.snapshot();
        for publication in 0..2 {
            if publication == 1 {
                // Whatever was answered before a publication is heard from it on.
                thread::yield_now();
            }
            if wildcards.version() != seen {
                (seen, copy) = wildcards.snapshot();
            }
            assert_eq!(keys(&copy), [vec![], vec![1], vec![1, 2], vec![2]][seen as usize], "the copy is the list of its version");
        }
        connection.join().unwrap();
        if wildcards.version() != seen {
            (_, copy) = wildcards.snapshot();
        }
        assert_eq!(keys(&copy), [2]);
    });
}

#[test]
fn a_connection_that_asks_twice_at_once_is_listed_once() {
    loom::model(|| {
        let wildcards = Arc::new(Wildcards::default());
        let again = {
            let wildcards = wildcards.clone();
            thread::spawn(move || wildcards.add(subscription(2, 1)))
        };
        wildcards.add(subscription(1, 1));
        again.join().unwrap();
        assert_eq!(wildcards.snapshot().1.len(), 1);
        assert_eq!(wildcards.version(), 2);
    });
}
