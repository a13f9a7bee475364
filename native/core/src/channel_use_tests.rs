//! A server's and a client's use of one channel against each other: whatever happens in whatever order,
//! no word is out of its place, and both agree on when the channel is idle.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{ChannelUse, Role, SHORT_BYTES};
use crate::channel_words::BadWord;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Start,
    Data(usize),
    End,
    Abort,
    Free,
}

/// One end: its use under way, and all that was said and handled in it, by which the rules are checked.
struct End {
    role: Role,
    rules: Option<ChannelUse>,
    said: Vec<Said>,
    handled: Vec<Said>,
    uses: usize,
}

fn payload(words: &[Said]) -> u64 {
    let lengths = words.iter().map(|said| match said {
        Said::Data(length) => *length as u64,
        _ => 0,
    });
    lengths.sum()
}

fn has(words: &[Said], wanted: Said) -> bool {
    words.contains(&wanted)
}

fn has_terminal(words: &[Said]) -> bool {
    has(words, Said::End) || has(words, Said::Abort)
}

impl End {
    fn new(role: Role) -> Self {
        Self {
            role,
            rules: None,
            said: Vec::new(),
            handled: Vec::new(),
            uses: 0,
        }
    }

    fn begin(&mut self) {
        assert!(self.rules.is_none(), "START in the middle of a use");
        self.rules = Some(ChannelUse::new(self.role));
        self.said.clear();
        self.handled.clear();
        self.uses += 1;
    }

    /// Rule 4.3, by what was said.
    fn needs_free(&self) -> bool {
        let inward = match self.role {
            Role::Server => &self.said,
            Role::Client => &self.handled,
        };
        let aborted = has(&self.said, Said::Abort) || has(&self.handled, Said::Abort);
        payload(inward) > SHORT_BYTES && !aborted
    }

    /// Rules 4.2 to 4.5 and 5.1, by what was said.
    fn check(&self, rules: &ChannelUse) {
        let own = has_terminal(&self.said);
        let peers = has_terminal(&self.handled);
        let answers = has(&self.handled, Said::Abort);
        assert_eq!(rules.role(), self.role);
        assert_eq!(rules.has_finished(), own);
        assert_eq!(rules.has_peer_finished(), peers);
        assert_eq!(rules.has_peer_aborted(), answers);
        let may_abort = !own && (payload(&self.said) <= SHORT_BYTES || answers);
        assert_eq!(rules.may_abort(), may_abort, "{:?}", self.said);
        assert_eq!(rules.expects_nothing(), peers && !own);
        let is_short = payload(&self.handled) <= SHORT_BYTES;
        let may_keep = self.role == Role::Client && !peers && is_short;
        assert_eq!(rules.may_keep(), may_keep, "{:?}", self.handled);
        let keeps = may_keep && has(&self.said, Said::End);
        assert_eq!(rules.keeps(), keeps, "{:?}", self.said);
        let freed = match self.role {
            Role::Server => has(&self.handled, Said::Free),
            Role::Client => has(&self.said, Said::Free),
        };
        let is_over = own && peers && (freed || !self.needs_free());
        assert_eq!(rules.is_over(), is_over);
    }
}

struct Scene {
    server: End,
    client: End,
    inward: VecDeque<Said>,
    outward: VecDeque<Said>,
    /// The local service takes nothing now.
    local_is_full: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Start,
    /// By the server (true), or the client.
    Send(bool, usize),
    Finish(bool),
    Abort(bool),
    /// So many words at that end.
    Arrive(bool, usize),
    LocalTakes(bool),
}

impl Scene {
    fn new() -> Self {
        Self {
            server: End::new(Role::Server),
            client: End::new(Role::Client),
            inward: VecDeque::new(),
            outward: VecDeque::new(),
            local_is_full: false,
        }
    }

    fn end(&mut self, of_server: bool) -> (&mut End, &mut VecDeque<Said>) {
        if of_server {
            (&mut self.server, &mut self.inward)
        } else {
            (&mut self.client, &mut self.outward)
        }
    }

    /// Steps that are not possible now are left out.
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Start => {
                if self.server.rules.is_none() {
                    // What is idle here says nothing that is still under way (rule 4.7).
                    assert_eq!(self.outward, [], "said behind the end of a use");
                    self.server.begin();
                    self.inward.push_back(Said::Start);
                }
            }
            Step::Send(of_server, length) => {
                let (end, queue) = self.end(of_server);
                if let Some(rules) = &mut end.rules
                    && !rules.has_finished()
                {
                    rules.send(length);
                    end.said.push(Said::Data(length));
                    queue.push_back(Said::Data(length));
                }
            }
            Step::Finish(of_server) => self.say(of_server, Said::End),
            Step::Abort(of_server) => {
                let (end, _) = self.end(of_server);
                if end.rules.is_some_and(|rules| rules.may_abort()) {
                    self.say(of_server, Said::Abort);
                }
            }
            Step::Arrive(at_server, count) => {
                for _ in 0..count {
                    self.arrive(at_server);
                    self.settle();
                }
            }
            Step::LocalTakes(takes) => self.local_is_full = !takes,
        }
        self.settle();
    }

    fn say(&mut self, of_server: bool, word: Said) {
        let (end, queue) = self.end(of_server);
        let Some(rules) = &mut end.rules else { return };
        if rules.has_finished() {
            return;
        }
        match word {
            Said::End => rules.finish(),
            _ => rules.abort(),
        }
        end.said.push(word);
        queue.push_back(word);
    }

    /// The next word is handled, unless it has to wait (rules 4.5 and 4.6).
    fn arrive(&mut self, at_server: bool) {
        if !at_server && self.local_is_full {
            let discards = |end: &End| has(&end.said, Said::Abort);
            let waits = match &self.client.rules {
                Some(rules) => !rules.keeps() && !discards(&self.client),
                None => false,
            };
            // An ABORT, too, waits for what came before it; behind nothing there is nothing to wait for.
            if waits && payload(&self.client.handled) > 0 {
                return;
            }
        }
        let (end, queue) = if at_server {
            (&mut self.server, &mut self.outward)
        } else {
            (&mut self.client, &mut self.inward)
        };
        let Some(word) = queue.pop_front() else {
            return;
        };
        if word == Said::Start {
            end.begin();
            return;
        }
        let rules = end.rules.as_mut().expect("a use that the word belongs to");
        let handled = match word {
            Said::Start => Err(BadWord),
            Said::Data(length) => rules.receive(length),
            Said::End => rules.peer_finished(),
            Said::Abort => rules.peer_aborted(),
            Said::Free => rules.peer_freed(),
        };
        assert_eq!(handled, Ok(()), "{word:?} behind {:?}", end.handled);
        end.handled.push(word);
        if word == Said::Abort {
            // Rule 5.2.
            assert!(rules.has_finished() || rules.may_abort(), "it can answer");
            self.say(at_server, Said::Abort);
        }
    }

    /// What follows by itself.
    fn settle(&mut self) {
        for end in [&self.server, &self.client] {
            if let Some(rules) = &end.rules {
                end.check(rules);
            }
        }
        let both = has_terminal(&self.client.said) && has_terminal(&self.client.handled);
        let due = both && self.client.needs_free() && !has(&self.client.said, Said::Free);
        if let Some(rules) = &mut self.client.rules {
            let free = rules.take_free_due();
            assert_eq!(free, due, "{:?}", self.client.handled);
            if free {
                self.client.said.push(Said::Free);
                self.outward.push_back(Said::Free);
            }
            assert!(!rules.take_free_due(), "once");
        }
        if let Some(rules) = &mut self.server.rules {
            assert!(!rules.take_free_due(), "it is the client's word");
        }
        if self.server.rules.is_some_and(|rules| rules.is_over()) {
            self.server_is_idle();
            self.server.rules = None;
        }
        if self.client.rules.is_some_and(|rules| rules.is_over()) {
            assert!(has_terminal(&self.client.handled), "all of the server's");
            self.client.rules = None;
        }
    }

    /// The client has handled all, or takes what is left whether or not the local service does.
    fn server_is_idle(&self) {
        assert_eq!(self.outward, [], "the peer has said all");
        assert_eq!(self.server.uses, self.client.uses, "both are at one use");
        let client = &self.client;
        if self.inward.is_empty() {
            return;
        }
        let rules = client.rules.as_ref().expect("words for it are under way");
        let discards = has(&client.said, Said::Abort);
        // The server's ABORT may be on its way still, behind little.
        let left = self.inward.iter().copied().collect::<Vec<_>>();
        let little = payload(&left) + payload(&client.handled) <= SHORT_BYTES;
        let takes = rules.keeps() && little;
        assert!(discards || takes, "{left:?} wait for the local service");
    }

    /// Everything that is under way arrives; the local service may stay full.
    fn drain(&mut self) {
        loop {
            let before = (self.inward.len(), self.outward.len());
            self.step(&Step::Arrive(true, 1));
            self.step(&Step::Arrive(false, 1));
            if before == (self.inward.len(), self.outward.len()) {
                return;
            }
        }
    }
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        1..1_000_usize,
        20_000..40_000_usize,
        Just(65_535_usize),
        Just(65_536_usize),
        Just(65_537_usize),
        60_000..200_000_usize,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Start),
        6 => (any::<bool>(), length()).prop_map(|(end, length)| Step::Send(end, length)),
        3 => any::<bool>().prop_map(Step::Finish),
        1 => any::<bool>().prop_map(Step::Abort),
        8 => (any::<bool>(), 1..5_usize).prop_map(|(end, count)| Step::Arrive(end, count)),
        1 => any::<bool>().prop_map(Step::LocalTakes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn both_ends_agree_whatever_happens(steps in prop::collection::vec(step(), 0..200)) {
        let mut scene = Scene::new();
        for step in &steps {
            scene.step(step);
        }
        // However it stands: with both terminals said it comes to an end, and the next use runs.
        scene.drain();
        scene.step(&Step::Finish(true));
        scene.step(&Step::LocalTakes(true));
        scene.drain();
        scene.step(&Step::Finish(false));
        scene.drain();
        prop_assert!(scene.server.rules.is_none() && scene.client.rules.is_none());
        scene.step(&Step::Start);
        scene.step(&Step::Send(true, 10));
        scene.drain();
        prop_assert_eq!(&scene.client.handled, &[Said::Data(10)]);
    }

    /// Rule 4.5: no visitor waits behind the bytes of another one.
    #[test]
    fn a_short_use_is_over_though_the_local_service_takes_nothing(
        lengths in prop::collection::vec(1..9_000_usize, 0..7), ends_first in any::<bool>(),
    ) {
        let mut scene = Scene::new();
        scene.step(&Step::LocalTakes(false));
        scene.step(&Step::Start);
        for length in &lengths {
            scene.step(&Step::Send(true, *length));
        }
        if ends_first {
            scene.step(&Step::Finish(true));
        }
        scene.drain();
        scene.step(&Step::Finish(false));
        scene.drain();
        scene.step(&Step::Finish(true));
        scene.drain();
        prop_assert!(scene.server.rules.is_none() && scene.client.rules.is_none());
    }

    #[test]
    fn a_long_use_is_over_when_the_local_service_has_it(
        more in 1..200_000_usize, answered in any::<bool>(),
    ) {
        let mut scene = Scene::new();
        scene.step(&Step::Start);
        scene.step(&Step::Send(true, 65_536));
        scene.drain();
        scene.step(&Step::LocalTakes(false));
        scene.step(&Step::Send(true, more));
        scene.step(&Step::Finish(true));
        if answered {
            scene.step(&Step::Finish(false));
        }
        scene.drain();
        prop_assert!(scene.server.rules.is_some() && scene.client.rules.is_some());
        scene.step(&Step::LocalTakes(true));
        scene.step(&Step::Finish(false));
        scene.drain();
        prop_assert!(scene.server.rules.is_none() && scene.client.rules.is_none());
        prop_assert!(has(&scene.server.handled, Said::Free));
    }
}

/// Every sequence of words that is out of place is refused, at either end.
#[test]
fn nothing_follows_a_terminal_but_free() {
    for role in [Role::Server, Role::Client] {
        for terminal in [ChannelUse::peer_finished, ChannelUse::peer_aborted] {
            let mut rules = ChannelUse::new(role);
            assert_eq!(terminal(&mut rules), Ok(()));
            let mut again = [rules; 4];
            assert_eq!(again[0].receive(1), Err(BadWord));
            assert_eq!(again[1].peer_finished(), Err(BadWord));
            assert_eq!(again[2].peer_aborted(), Err(BadWord));
            assert_eq!(again[3].peer_freed(), Err(BadWord));
        }
    }
}

#[test]
fn free_is_refused_unless_the_server_waits_for_it() {
    let long = |role| {
        let mut rules = ChannelUse::new(role);
        rules.send(65_537);
        rules.receive(65_537).expect("in its place");
        rules
    };
    // Not before our terminal, nor before the peer's.
    let mut rules = long(Role::Server);
    assert_eq!(rules.peer_freed(), Err(BadWord));
    rules.finish();
    assert_eq!(rules.peer_freed(), Err(BadWord));
    rules.peer_finished().expect("in its place");
    assert!(!rules.is_over());
    assert_eq!(rules.peer_freed(), Ok(()));
    assert!(rules.is_over());
    assert_eq!(rules.peer_freed(), Err(BadWord), "once");
    // A client never waits for it.
    let mut rules = long(Role::Client);
    rules.finish();
    rules.peer_finished().expect("in its place");
    assert_eq!(rules.peer_freed(), Err(BadWord));
    // Nor is it due in a short use, or one that was aborted by either.
    let mut short = ChannelUse::new(Role::Server);
    short.send(65_536);
    short.finish();
    short.peer_finished().expect("in its place");
    assert!(short.is_over());
    assert_eq!(short.peer_freed(), Err(BadWord));
    let mut aborted = long(Role::Server);
    aborted.peer_aborted().expect("in its place");
    assert!(aborted.may_abort(), "it answers");
    aborted.abort();
    assert!(aborted.is_over());
    assert_eq!(aborted.peer_freed(), Err(BadWord));
}
