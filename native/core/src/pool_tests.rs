//! How channels are kept ready: which is taken, how many there are, which are let go. And what a fault in
//! a pool costs: not the pool.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{DECAY, Pool};
use crate::channel::{Channel, Home};
use crate::context::{ServiceFacts, SessionHome};
use crate::control_stream::tests::held;
use crate::frames::tests::TYPES;
use crate::front::Line;
use crate::limits::Limits;
use crate::link::Link;
use crate::reason::EndReason;
use crate::server_service::ServerService;
use crate::server_session::ServerSession;
use crate::shard::Shard;
use crate::spec::{HostPort, ReuseRules, ServerRoutine, ServerServiceSpec, ServiceType};
use crate::tcp_link::TcpLink;
use crate::testing::{run, run_with};
use crate::transport::scene::{pair, tcp_link};

fn line(shard: &Rc<Shard>) -> Rc<Line> {
    let facts = Arc::new(ServiceFacts::new(1, "test", ServiceType::Tcp, 0));
    Line::new(shard, &facts, None)
}

#[test]
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "what the pool finds borrowed makes it panic"
)]
fn a_fault_does_not_end_the_watch_over_idle_channels() {
    run(|shard| async move {
        let line = line(&shard);
        let pool = Pool::new(&line, Limits::default().pool_floor, Rc::new(|| {}));
        shard.tasks.yield_now().await.expect("not cancelled");
        let broken = pool.state.borrow_mut();
        pool.nudge();
        shard.tasks.yield_now().await.expect("not cancelled");
        drop(broken);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let client = TcpStream::connect(address).expect("loopback connects");
        let (channel, _) = listener.accept().expect("it has come");
        channel.set_nonblocking(true).expect("a socket");
        let channel = mio::net::TcpStream::from_std(channel);
        let link = TcpLink::adopt(&shard, channel).expect("a link");
        pool.add(link.into(), 1);
        assert_eq!(pool.ready(), 1);
        drop(client);
        let deadline = shard.after(20_000);
        while pool.ready() == 1 {
            assert!(deadline > Some(shard.now()), "a dead channel stays");
            shard.sleep(1).await.expect("not cancelled");
        }
        let counters = &line.facts.counters;
        assert_eq!(counters.pool_stale.load(Relaxed), 1);
        assert_eq!(counters.ends.snapshot(), [(EndReason::StaleChannel, 1)]);
    });
}

const FLOOR: usize = 2;

fn routine() -> ServerRoutine {
    ServerRoutine {
        create: vec![0; 4],
        heartbeat: vec![1; 4],
        heartbeat_interval_ms: 0,
        start: vec![3; 4],
        reuse: Some(ReuseRules {
            start: b"WRN1".to_vec(),
            addresses: true,
            frames: Some(TYPES),
        }),
        goodbye: Vec::new(),
    }
}

/// A pool of reusable channels, and a session that takes its requests.
struct Scene {
    shard: Rc<Shard>,
    line: Rc<Line>,
    pool: Rc<Pool>,
    _session: (Rc<ServerService>, TcpStream),
}

impl Scene {
    async fn open(shard: Rc<Shard>) -> Self {
        let (stream, peer) = held(&shard).await;
        let spec = ServerServiceSpec {
            name: "test".to_owned(),
            protocol: ServiceType::Tcp,
            bind: HostPort {
                host: "127.0.0.1".to_owned(),
                port: 0,
            },
            nodelay: None,
        };
        let other = Arc::new(ServiceFacts::new(2, "other", ServiceType::Tcp, 0));
        let service = ServerService::open(&shard, other, spec);
        let home = SessionHome {
            shard: 0,
            service: 1,
            session: 1,
        };
        let session = ServerSession::new(&shard, home, vec![9; 4], routine(), &service);
        session.start(&stream);
        let line = line(&shard);
        line.set_routine(&routine());
        *line.session.borrow_mut() = Some(session);
        let pool = Pool::new(&line, FLOOR, Rc::new(|| {}));
        Self {
            shard,
            line,
            pool,
            _session: (service, peer),
        }
    }

    /// One whose use is over, and its client.
    fn channel(&self) -> (Channel, TcpStream) {
        let (client, server) = pair();
        let link = tcp_link(&self.shard, server).into();
        let home = Home::new(&self.line.facts, 1, self.shard.now());
        (Channel::idle(link, home), client)
    }

    fn back(&self) -> TcpStream {
        let (channel, client) = self.channel();
        self.pool.back(channel);
        client
    }

    /// Outstanding ones, as the counters have it.
    fn requested(&self) -> usize {
        self.line.facts.counters.pool_requested.load(Relaxed)
    }

    fn ends(&self) -> Vec<(EndReason, u64)> {
        self.line.facts.counters.ends.snapshot()
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = self.shard.after(20_000);
        while !is_so() {
            assert!(deadline > Some(self.shard.now()), "waited for {what}");
            self.shard.sleep(1).await.expect("not cancelled");
        }
    }
}

/// Whose channel it is.
fn is_of(channel: &Channel, client: &TcpStream) -> bool {
    let Link::Tcp(link) = &channel.link else {
        panic!("a plain one")
    };
    link.peer().ok() == client.local_addr().ok()
}

#[test]
fn the_reusable_one_that_came_last_is_taken_first() {
    run(|shard| async move {
        let scene = Scene::open(shard).await;
        let clients = [scene.back(), scene.back(), scene.back()];
        for client in clients.iter().rev() {
            let taken = scene.pool.take().expect("there is one");
            assert!(is_of(&taken, client));
        }
        assert!(scene.pool.take().is_none());
        // Of wire v1 it is the oldest.
        *scene.line.reuse.borrow_mut() = None;
        let clients = [scene.back(), scene.back(), scene.back()];
        for client in &clients {
            let taken = scene.pool.take().expect("there is one");
            assert!(is_of(&taken, client));
        }
    });
}

/// Floor and visitors that wait, less what is idle or asked for.
#[test]
fn asks_for_what_is_wanting_and_no_more() {
    run(|shard| async move {
        let scene = Scene::open(shard).await;
        scene.pool.refill(0);
        assert_eq!(scene.requested(), FLOOR);
        scene.pool.refill(5);
        assert_eq!(scene.requested(), FLOOR + 5);
        scene.pool.refill(5);
        assert_eq!(scene.requested(), FLOOR + 5);
        // A miss raises no target: those that wait are asked for, one by one.
        scene.pool.miss(6);
        scene.pool.refill(6);
        assert_eq!(scene.requested(), FLOOR + 6);
        let mut clients = Vec::new();
        for left in (0..FLOOR + 6).rev() {
            let (channel, client) = scene.channel();
            scene.pool.add(channel.link, 1);
            clients.push(client);
            assert_eq!(scene.requested(), left);
        }
        assert_eq!(scene.pool.ready(), FLOOR + 6);
        scene.pool.refill(0);
        assert_eq!(scene.requested(), 0);
        // One that comes back is one less to ask for.
        let taken: Vec<_> = (0..FLOOR + 6).map(|_| scene.pool.take()).collect();
        assert!(taken.iter().all(Option::is_some));
        scene.pool.refill(0);
        assert_eq!(scene.requested(), FLOOR);
        clients.push(scene.back());
        scene.pool.refill(2);
        assert_eq!(scene.requested(), FLOOR + 1);
    });
}

#[test]
fn the_peak_of_the_last_minute_is_kept_and_then_let_go() {
    run(|shard| async move {
        let scene = Scene::open(shard).await;
        let used = &scene.line.facts.channels_used;
        used.store(20, Relaxed);
        scene.pool.in_use(20);
        used.store(0, Relaxed);
        let clients: Vec<_> = (0..30).map(|_| scene.back()).collect();
        let mut now = scene.shard.now();
        for window in 0..5 {
            now += DECAY;
            scene.pool.shrink(now);
            assert_eq!(scene.pool.ready(), FLOOR + 20, "{window}");
            assert_eq!(scene.pool.state.borrow().decay_at, Some(now + DECAY));
        }
        scene.pool.shrink(now + DECAY);
        assert_eq!(scene.pool.ready(), FLOOR);
        // The newest stay, and nothing more is to be done before they are old.
        let taken = scene.pool.take().expect("there is one");
        assert!(is_of(&taken, &clients[29]));
        assert_eq!(scene.ends(), [(EndReason::SurplusChannel, 28)]);
        let decay_at = scene.pool.state.borrow().decay_at;
        let age = Limits::default().channel_age_ms;
        assert!(decay_at > Some(scene.shard.now() + Duration::from_millis(age - 60_000)));
        assert_eq!(scene.requested(), 0);
    });
}

/// What is in use comes back one day: it is not kept twice.
#[test]
fn what_is_in_use_counts_as_kept() {
    run(|shard| async move {
        let scene = Scene::open(shard).await;
        scene.line.facts.channels_used.store(15, Relaxed);
        scene.pool.in_use(20);
        let _clients: Vec<_> = (0..30).map(|_| scene.back()).collect();
        scene.pool.shrink(scene.shard.now() + DECAY);
        assert_eq!(scene.pool.ready(), FLOOR + 5);
        scene.pool.refill(4);
        scene.pool.shrink(scene.shard.now() + DECAY);
        assert_eq!(scene.pool.ready(), FLOOR + 5);
    });
}

#[test]
fn no_more_are_idle_than_the_ceiling() {
    let limits = Limits {
        reuse_ceiling: 4,
        ..Limits::default()
    };
    run_with(limits, |shard| async move {
        let scene = Scene::open(shard).await;
        let clients: Vec<_> = (0..6).map(|_| scene.back()).collect();
        assert_eq!(scene.pool.ready(), 4);
        assert_eq!(scene.ends(), [(EndReason::SurplusChannel, 2)]);
        let taken = scene.pool.take().expect("there is one");
        assert!(is_of(&taken, &clients[3]), "those that came too late went");
        // Visitors that wait have theirs beside it.
        scene.pool.refill(3);
        let _more: Vec<_> = (0..6).map(|_| scene.back()).collect();
        assert_eq!(scene.pool.ready(), 7);
        // The peak is not kept beyond it either.
        scene.pool.refill(0);
        scene.line.facts.channels_used.store(0, Relaxed);
        scene.pool.in_use(100);
        scene.pool.shrink(scene.shard.now() + DECAY);
        assert_eq!(scene.pool.ready(), 4);
    });
}

#[test]
fn one_that_has_served_its_time_is_replaced() {
    let limits = Limits {
        channel_uses: 10,
        channel_age_ms: 60_000,
        ..Limits::default()
    };
    run_with(limits, |shard| async move {
        let scene = Scene::open(shard).await;
        let born = |ago| scene.shard.now().checked_sub(Duration::from_millis(ago));
        let cases = [(9, 59_000, true), (10, 0, false), (0, 60_000, false)];
        let mut clients = Vec::new();
        for (uses, ago, is_kept) in cases {
            let before = scene.pool.ready();
            let (mut channel, client) = scene.channel();
            channel.home.uses = uses;
            channel.home.born = born(ago).expect("it is up for so long");
            scene.pool.back(channel);
            clients.push(client);
            let kept = scene.pool.ready() - before;
            assert_eq!(kept, usize::from(is_kept), "{uses} uses, {ago} ms");
        }
        assert_eq!(scene.ends(), [(EndReason::SurplusChannel, 2)]);
        assert_eq!(scene.requested(), FLOOR - 1);
        // One that is idle grows old, too.
        let (mut channel, client) = scene.channel();
        scene.pool.back(scene.channel().0);
        channel.home.born = born(59_999).expect("it is up for so long");
        scene.pool.back(channel);
        clients.push(client);
        scene.shard.sleep(5).await.expect("not cancelled");
        scene.pool.shrink(scene.shard.now());
        assert!(
            scene
                .pool
                .state
                .borrow()
                .idle
                .iter()
                .all(|channel| { scene.shard.elapsed_ms(channel.home.born) < 60_000 })
        );
        assert!(scene.pool.ready() + scene.requested() >= FLOOR);
    });
}

/// The client has nothing to say before the next START.
#[test]
fn one_with_early_bytes_goes() {
    run(|shard| async move {
        let scene = Scene::open(shard).await;
        let (mut channel, _client) = scene.channel();
        channel.unread = vec![0];
        scene.pool.back(channel);
        assert_eq!(scene.pool.ready(), 0);
        assert_eq!(scene.ends(), [(EndReason::EarlyData, 1)]);
        assert_eq!(scene.requested(), FLOOR);
        // Those that come while it is idle.
        let mut client = scene.back();
        client.write_all(&[0]).expect("room");
        scene.until("it to go", || scene.pool.ready() == 0).await;
        assert_eq!(scene.ends(), [(EndReason::EarlyData, 2)]);
        // And those that a visitor would meet.
        let (good, mut bad) = (scene.back(), scene.back());
        bad.write_all(&[0]).expect("room");
        let came = || {
            let idle = &scene.pool.state.borrow().idle;
            idle.len() == 1
                || idle
                    .back()
                    .is_some_and(|channel| channel.link.is_readable())
        };
        scene.until("the bytes", came).await;
        let taken = scene.pool.take().expect("the other one");
        assert!(is_of(&taken, &good));
        assert_eq!(scene.ends(), [(EndReason::EarlyData, 3)]);
    });
}

/// Before a visitor meets it.
#[test]
fn one_that_dies_idle_is_replaced() {
    run(|shard| async move {
        let scene = Scene::open(shard).await;
        let (one, two) = (scene.back(), scene.back());
        scene.pool.refill(0);
        assert_eq!(scene.requested(), 0);
        drop(one);
        scene.until("a request", || scene.requested() == 1).await;
        assert_eq!(scene.pool.ready(), 1);
        assert_eq!(scene.ends(), [(EndReason::StaleChannel, 1)]);
        crate::client_scene::reset(two);
        scene.until("another", || scene.requested() == 2).await;
        assert_eq!(scene.ends(), [(EndReason::StaleChannel, 2)]);
        assert_eq!(scene.line.facts.counters.pool_stale.load(Relaxed), 2);
        assert!(scene.pool.take().is_none());
    });
}

#[test]
fn a_session_that_ends_takes_all_along() {
    run(|shard| async move {
        let scene = Scene::open(shard).await;
        let _clients: Vec<_> = (0..5).map(|_| scene.back()).collect();
        scene.pool.in_use(50);
        scene.pool.refill(9);
        scene.pool.clear();
        assert_eq!((scene.pool.ready(), scene.requested()), (0, 0));
        // What the next one has needed says nothing about what that one did.
        let _clients: Vec<_> = (0..30).map(|_| scene.back()).collect();
        scene.pool.refill(0);
        scene.pool.shrink(scene.shard.now() + DECAY);
        assert_eq!(scene.pool.ready(), FLOOR);
    });
}

#[derive(Clone, Debug)]
enum Step {
    Add,
    Back(usize),
    Take,
    /// So many visitors wait.
    Wait(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Add),
        4 => (0..12_usize).prop_map(Step::Back),
        3 => Just(Step::Take),
        2 => (0..6_usize).prop_map(Step::Wait),
    ]
}

/// What is idle, by its number, and how many are asked for.
#[derive(Default)]
struct Model {
    idle: Vec<usize>,
    requested: usize,
    waiting: usize,
}

const CEILING: usize = 5;
const USES: usize = 10;

impl Model {
    fn fill(&mut self) {
        let there = self.idle.len() + self.requested;
        self.requested += (FLOOR + self.waiting).saturating_sub(there);
    }

    fn keep(&mut self, number: usize) {
        if self.idle.len() < CEILING + self.waiting {
            self.idle.push(number);
        }
    }
}

fn check(scene: &Scene, steps: &[Step]) {
    let mut model = Model::default();
    let mut clients: Vec<TcpStream> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let (mut channel, client) = scene.channel();
        clients.push(client);
        match step {
            Step::Add => {
                model.requested = model.requested.saturating_sub(1);
                model.keep(number);
                scene.pool.add(channel.link, 1);
            }
            Step::Back(uses) => {
                if *uses < USES {
                    model.keep(number);
                } else {
                    model.fill();
                }
                channel.home.uses = *uses;
                scene.pool.back(channel);
            }
            Step::Take => {
                let taken = scene.pool.take();
                let expected = model.idle.pop();
                assert_eq!(taken.is_some(), expected.is_some(), "step {number}");
                if let (Some(taken), Some(expected)) = (taken, expected) {
                    assert!(is_of(&taken, &clients[expected]), "step {number}");
                }
            }
            Step::Wait(waiting) => {
                model.waiting = *waiting;
                model.fill();
                scene.pool.refill(*waiting);
            }
        }
        assert_eq!(scene.pool.ready(), model.idle.len(), "step {number}");
        let requested = scene.pool.state.borrow().requested.len();
        assert_eq!(requested, model.requested, "step {number}");
    }
}

#[test]
fn reusable_channels_are_kept_as_a_simple_model_says() {
    let limits = Limits {
        reuse_ceiling: CEILING,
        channel_uses: USES,
        ..Limits::default()
    };
    run_with(limits, |shard| async move {
        let scene = Scene::open(shard).await;
        let mut runner = TestRunner::new(Config {
            cases: 64,
            failure_persistence: None,
            ..Config::default()
        });
        let result = runner.run(&prop::collection::vec(step(), 0..60), |steps| {
            scene.pool.clear();
            scene.pool.state.borrow_mut().waiting = 0;
            check(&scene, &steps);
            Ok(())
        });
        result.expect("every script");
    });
}
