//! Actors that chatter at random must log the same, however they are run.

use proptest::prelude::*;
use sim_actors::{RunMode, run};
use sim_clock::{Actor, ActorId, Context, Nanos, Scheduler, Seed, Stream, TraceHash, Traced};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    from: u32,
    word: u64,
}

impl Traced for Heard {
    fn trace(&self, hash: &mut TraceHash) {
        hash.word(u64::from(self.from));
        hash.word(self.word);
    }
}

/// Says a few random things when its timer fires, and passes on what it hears, each time shorter.
struct Gossip {
    peers: u32,
    stream: Stream,
    state: u64,
}

impl Gossip {
    fn chatter(&mut self, hops: u64, cx: &mut Context<'_, u64, Heard>) {
        for _ in 0..self.stream.below(3) {
            let to = self.stream.below(u64::from(self.peers));
            cx.send(ActorId(u32::try_from(to).unwrap()), (self.state << 3) | hops);
        }
    }
}

impl Actor<u64, Heard> for Gossip {
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, u64, Heard>) {
        self.state = self.state.wrapping_mul(31).wrapping_add(key);
        cx.log(Heard { from: u32::MAX, word: self.state });
        self.chatter(4, cx);
        // A coarse clock makes many timers fall into one instant, and some into the present one.
        let next = cx.now() + Nanos(self.stream.below(4));
        cx.set_timer(next, key + 1);
    }

    fn on_message(&mut self, from: ActorId, word: u64, cx: &mut Context<'_, u64, Heard>) {
        self.state = self.state.wrapping_mul(31).wrapping_add(word);
        cx.log(Heard { from: from.0, word });
        if word & 7 > 0 {
            self.chatter((word & 7) - 1, cx);
        }
    }
}

fn rehearse(mode: RunMode, seed: u64, peers: u32) -> (u64, u64, Vec<u64>) {
    let actors = (0..peers)
        .map(|index| Gossip { peers, stream: Seed(seed).stream(&format!("gossip {index}")), state: 0 })
        .collect();
    let mut scheduler = Scheduler::new(Nanos(200));
    for index in 0..peers {
        scheduler.set_timer(Nanos(u64::from(index % 3)), ActorId(index), 0);
    }
    let actors = run(mode, actors, &mut scheduler);
    let states = actors.iter().map(|actor| actor.state).collect();
    (scheduler.log.hash(), scheduler.log.count(), states)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_run_mode_gives_the_log_of_the_bare_loop(seed: u64, peers in 1_u32..90) {
        let bare = rehearse(RunMode::Bare, seed, peers);
        prop_assert!(bare.1 > 0);
        prop_assert_eq!(&rehearse(RunMode::Actors, seed, peers), &bare);
        prop_assert_eq!(&rehearse(RunMode::Tokio, seed, peers), &bare);
    }
}
