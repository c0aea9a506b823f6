//! An idle actor leaves memory while somebody sends to it.

use std::collections::VecDeque;

use loom::{
    sync::{Arc, Mutex},
    thread,
};

use crate::residency::Residency;

#[derive(Clone, Copy, PartialEq)]
enum Message {
    Sample,
    Passivate,
}

/// A generation's mailbox. Its actor is whoever takes from it.
type Mailbox = Arc<Mutex<VecDeque<Message>>>;

#[derive(Default)]
struct Slot {
    residency: Residency<Mailbox>,
    /// Samples handled, as a dormant actor leaves them to the next.
    kept: Mutex<u32>,
    /// Mailboxes of generations that nobody runs yet.
    spawned: Mutex<VecDeque<Mailbox>>,
}

impl Slot {
    fn activate(&self) {
        self.residency.activate(|| {
            let mailbox = Mailbox::default();
            self.spawned.lock().unwrap().push_back(mailbox.clone());
            mailbox
        });
    }

    /// As a door does it: activates where nobody is resident.
    fn deliver(&self, message: Message) {
        loop {
            self.activate();
            let sent = self.residency.send(message, |mailbox, message| {
                mailbox.lock().unwrap().push_back(message);
                Ok::<(), ()>(())
            });
            if sent.is_ok() {
                return;
            }
            thread::yield_now();
        }
    }

    /// Runs the generations that were spawned, one after the other as on one arbiter, until nothing is left.
    fn run(&self) {
        loop {
            let Some(mailbox) = self.spawned.lock().unwrap().pop_front() else { return };
            let mut samples = std::mem::take(&mut *self.kept.lock().unwrap());
            loop {
                let Some(message) = mailbox.lock().unwrap().pop_front() else {
                    // It waits for messages; what it has is looked at by the model.
                    *self.kept.lock().unwrap() = samples;
                    self.spawned.lock().unwrap().push_front(mailbox);
                    return;
                };
                let mut retired = false;
                match message {
                    Message::Sample => samples += 1,
                    Message::Passivate => retired = self.residency.retire(|| *self.kept.lock().unwrap() = samples),
                }
                self.residency.handled();
                if retired {
                    assert!(mailbox.lock().unwrap().is_empty(), "a message was left behind");
                    break;
                }
            }
        }
    }
}

#[test]
fn a_sample_sent_while_its_actor_retires_is_handled_and_counted_once() {
    loom::model(|| {
        let slot = Arc::new(Slot::default());
        slot.deliver(Message::Passivate);
        let door = {
            let slot = slot.clone();
            thread::spawn(move || slot.deliver(Message::Sample))
        };
        slot.run();
        door.join().unwrap();
        slot.run();
        assert_eq!(*slot.kept.lock().unwrap(), 1);
        assert_eq!(slot.residency.depth(), 0, "every message is counted in and out");
    });
}

#[test]
fn a_second_retirement_sees_the_messages_that_wait() {
    loom::model(|| {
        let slot = Arc::new(Slot::default());
        slot.deliver(Message::Passivate);
        let door = {
            let slot = slot.clone();
            thread::spawn(move || {
                slot.deliver(Message::Passivate);
                slot.deliver(Message::Sample);
            })
        };
        slot.run();
        door.join().unwrap();
        slot.run();
        assert_eq!((*slot.kept.lock().unwrap(), slot.residency.depth()), (1, 0));
    });
}

#[test]
fn two_doors_activate_one_generation() {
    loom::model(|| {
        let slot = Arc::new(Slot::default());
        let door = {
            let slot = slot.clone();
            thread::spawn(move || slot.deliver(Message::Sample))
        };
        slot.deliver(Message::Sample);
        door.join().unwrap();
        assert_eq!((slot.residency.generation(), slot.residency.depth()), (1, 2));
        slot.run();
        assert_eq!((*slot.kept.lock().unwrap(), slot.residency.depth()), (2, 0));
    });
}
