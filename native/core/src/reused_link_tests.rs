//! Uses of reusable channels between a server and a client: every byte arrives where it belongs, each
//! end as what it was, and the channel is idle again exactly when the use is over.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::ReusedLink;
use crate::channel::{Channel, Home};
use crate::channel_use::Role;
use crate::client_scene::Refusing;
use crate::link::Link;
use crate::reason::EndReason;

use super::scene;
use scene::{End, Play, Scene, Side, Stage, belows, name, open_channel, reset};

/// Of a socket whose reads and writes are short.
const SMALL: Option<usize> = Some(16_384);
/// And that holds next to nothing; it is slow.
const TINY: Option<usize> = Some(4_096);

fn says(length: usize) -> Side {
    Side {
        length,
        chunk: 65_536,
        end: End::Fin,
        waits: false,
        read_size: 65_536,
        rest_every: 0,
    }
}

/// Behind the other side's end.
fn answers(length: usize) -> Side {
    Side {
        waits: true,
        ..says(length)
    }
}

fn play(visitor: Side, local: Side) -> Play {
    Play {
        visitor,
        local,
        pause: Duration::ZERO,
    }
}

/// `Err`: RST. All that comes before is thrown away.
fn end_of(mut stream: &TcpStream) -> Result<(), std::io::ErrorKind> {
    let mut buffer = vec![0; 65_536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.kind()),
        }
    }
}

const RST: Result<(), std::io::ErrorKind> = Err(std::io::ErrorKind::ConnectionReset);

fn write(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("it is taken");
}

fn read(mut stream: &TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).expect("bytes in time");
    bytes
}

#[test]
fn one_channel_serves_visitor_after_visitor() {
    for below in belows() {
        let scene = Scene::open(&below, 0, None);
        let stage = Stage::new(&scene, None);
        let plays = [
            play(says(10), says(10)),
            play(says(0), says(0)),
            play(says(100_000), answers(65_536)),
            play(answers(65_537), says(300_000)),
            play(says(1_000_000), says(2_000_000)),
            play(says(3), answers(3)),
        ];
        for (tag, play) in plays.iter().chain(&plays).enumerate() {
            stage.play(tag as u64, play);
            scene.until_quiet(name(&below));
            assert_eq!(scene.idle(), (1, 1), "{} {play:?}", name(&below));
        }
        assert_eq!(scene.channels_made(), 1, "{}", name(&below));
    }
}

/// Each end reaches the other side as what it was, and the channel is saved where it can be.
fn ends_as(
    what: &str,
    play: impl Fn(&Scene, TcpStream, TcpStream),
    expected: [EndReason; 2],
    is_saved: bool,
) {
    for below in belows() {
        let what = format!("{what} over {}", name(&below));
        let scene = Scene::open(&below, 0, None);
        let (visitor, local) = scene.visitor();
        write(&visitor, b"ping");
        assert_eq!(read(&local, 4), b"ping");
        write(&local, b"pong");
        assert_eq!(read(&visitor, 4), b"pong");
        assert_eq!(scene.idle(), (0, 0), "{what}");
        play(&scene, visitor, local);
        scene.until_quiet(&what);
        let ends = expected.map(|reason| vec![(reason, 1)]);
        assert_eq!(scene.ends(), ends, "{what}");
        let left = usize::from(is_saved);
        assert_eq!(scene.idle(), (left, left), "{what}");
        // The next visitor has it, or a new one.
        let stage = Stage::new(&scene, None);
        stage.play(1, &self::play(says(70_000), says(70_000)));
        scene.until_quiet(&what);
        assert_eq!(scene.idle(), (1, 1), "{what}");
        assert_eq!(scene.channels_made(), 2 - left, "{what}");
    }
}

#[test]
fn a_fin_of_either_side_is_a_fin() {
    let visitors = |_: &Scene, visitor: TcpStream, local: TcpStream| {
        visitor.shutdown(Shutdown::Write).expect("FIN");
        assert_eq!(end_of(&local), Ok(()));
        drop(local);
        assert_eq!(end_of(&visitor), Ok(()));
    };
    ends_as(
        "the visitor's FIN",
        visitors,
        [EndReason::VisitorFin; 2],
        true,
    );
    let locals = |_: &Scene, visitor: TcpStream, local: TcpStream| {
        local.shutdown(Shutdown::Write).expect("FIN");
        assert_eq!(end_of(&visitor), Ok(()));
        drop(visitor);
        assert_eq!(end_of(&local), Ok(()));
    };
    ends_as(
        "the local service's FIN",
        locals,
        [EndReason::LocalFin; 2],
        true,
    );
}

#[test]
fn a_reset_behind_little_is_told_in_band() {
    let visitors = |_: &Scene, visitor: TcpStream, local: TcpStream| {
        reset(visitor);
        assert_eq!(end_of(&local), RST);
    };
    ends_as(
        "the visitor's RST",
        visitors,
        [EndReason::VisitorReset; 2],
        true,
    );
    let locals = |_: &Scene, visitor: TcpStream, local: TcpStream| {
        reset(local);
        assert_eq!(end_of(&visitor), RST);
    };
    ends_as(
        "the local service's RST",
        locals,
        [EndReason::LocalReset; 2],
        true,
    );
}

/// Behind more than the bound, or with an END out, the control channel tells it.
#[test]
fn a_reset_that_cannot_be_told_in_band_is_told_past_the_channel() {
    let visitors = |_: &Scene, visitor: TcpStream, local: TcpStream| {
        write(&visitor, &[7; 65_533]);
        read(&local, 65_533);
        reset(visitor);
        assert_eq!(end_of(&local), RST);
    };
    ends_as(
        "the visitor's RST behind much",
        visitors,
        [EndReason::VisitorReset; 2],
        false,
    );
    let locals = |_: &Scene, visitor: TcpStream, local: TcpStream| {
        write(&local, &[7; 65_533]);
        read(&visitor, 65_533);
        reset(local);
        assert_eq!(end_of(&visitor), RST);
    };
    ends_as(
        "the local service's RST behind much",
        locals,
        [EndReason::LocalReset; 2],
        false,
    );
    let behind_end = |_: &Scene, visitor: TcpStream, local: TcpStream| {
        local.shutdown(Shutdown::Write).expect("FIN");
        assert_eq!(end_of(&visitor), Ok(()));
        reset(local);
        // It has heard the end, and still says something.
        while (&visitor).write_all(&[1; 1_000]).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    };
    ends_as(
        "the local service's RST behind its FIN",
        behind_end,
        [EndReason::LocalReset; 2],
        false,
    );
}

/// However full everything is in between.
#[test]
fn a_reset_passes_a_side_that_takes_nothing() {
    let fill = |mut stream: &TcpStream| {
        stream
            .set_write_timeout(Some(Duration::from_millis(300)))
            .expect("a socket");
        while stream.write_all(&[9; 65_536]).is_ok() {}
    };
    let visitors = move |scene: &Scene, visitor: TcpStream, local: TcpStream| {
        fill(&visitor);
        reset(visitor);
        assert_eq!(end_of(&local), RST, "{}", scene.state());
    };
    ends_as(
        "the RST of a visitor whose local service takes nothing",
        visitors,
        [EndReason::VisitorReset; 2],
        false,
    );
    let locals = move |scene: &Scene, visitor: TcpStream, local: TcpStream| {
        fill(&local);
        reset(local);
        assert_eq!(end_of(&visitor), RST, "{}", scene.state());
    };
    ends_as(
        "the RST of a local service whose visitor takes nothing",
        locals,
        [EndReason::LocalReset; 2],
        false,
    );
}

#[test]
fn a_visitor_whose_local_service_refuses_is_reset_and_the_channel_saved() {
    for below in belows() {
        let scene = Scene::open(&below, 0, None);
        let refusing = Refusing::open();
        let local = scene.local.local_addr().expect("an address");
        scene.carry_to(refusing.address);
        for count in 1..4 {
            let visitor = scene::dial(scene.public, None);
            assert_eq!(end_of(&visitor), RST, "{}", name(&below));
            scene.until_quiet(name(&below));
            assert_eq!(scene.idle(), (1, 1), "{}", name(&below));
            let ends = [(EndReason::LocalRefused, count)];
            assert_eq!(scene.ends(), [ends, ends], "{}", name(&below));
        }
        scene.carry_to(local);
        Stage::new(&scene, None).play(1, &play(says(10), says(10)));
        scene.until_quiet(name(&below));
        assert_eq!(scene.channels_made(), 1, "{}", name(&below));
    }
}

fn sorted(mut ends: Vec<(EndReason, u64)>) -> Vec<(EndReason, u64)> {
    ends.sort_unstable();
    ends
}

/// By a server's service, or a client's. The channel is not waited for: it ends behind the ABORT, and
/// the other end loses it while idle.
#[test]
fn visitors_that_are_aborted_are_told_the_reason() {
    for below in belows() {
        for is_server in [true, false] {
            let what = format!("an abort over {}, {is_server}", name(&below));
            let scene = Scene::open(&below, 0, None);
            let (visitor, local) = scene.visitor();
            write(&visitor, b"ping");
            assert_eq!(read(&local, 4), b"ping");
            let (facts, lost) = if is_server {
                (&scene.server, [vec![], vec![(EndReason::ChannelEof, 1)]])
            } else {
                (&scene.client, [vec![(EndReason::StaleChannel, 1)], vec![]])
            };
            facts.abort_visitors(&scene.shards.context, EndReason::Drain);
            assert_eq!((end_of(&visitor), end_of(&local)), (RST, RST));
            let ends = lost.map(|mut ends| {
                ends.insert(0, (EndReason::Drain, 1));
                ends
            });
            let both = [Arc::clone(&scene.server), Arc::clone(&scene.client)];
            scene.until(&what, move |_| {
                let now = both
                    .each_ref()
                    .map(|facts| sorted(facts.counters.ends.snapshot()));
                now == ends.each_ref().map(|ends| sorted(ends.clone()))
            });
        }
    }
}

/// Rule 4.5: what the local service does not take holds nobody up, within the bound.
#[test]
fn a_channel_is_idle_before_a_slow_local_service_has_all_of_a_short_use() {
    for below in belows() {
        let what = name(&below);
        let scene = Scene::open(&below, 0, TINY);
        let (visitor, local) = scene.visitor();
        // The local service has ended, and its answer been read; it takes what it wants, when it wants.
        write(&local, b"answer");
        local.shutdown(Shutdown::Write).expect("FIN");
        assert_eq!(read(&visitor, 6), b"answer");
        assert_eq!(end_of(&visitor), Ok(()));
        let question: Vec<_> = (0..60_000_u32).map(|at| at as u8).collect();
        write(&visitor, &question);
        drop(visitor);
        scene.until("the channel to be idle", {
            let facts = Arc::clone(&scene.server);
            move |_| facts.counters.pool_ready.load(SeqCst) == 1
        });
        assert_eq!(scene.channels_made(), 1, "{what}");
        let (next, next_local) = scene.visitor();
        write(&next, b"next");
        assert_eq!(read(&next_local, 4), b"next", "{what}");
        assert_eq!(scene.channels_made(), 1, "{what}");
        assert!(read(&local, question.len()) == question, "{what}");
        assert_eq!(end_of(&local), Ok(()), "{what}");
        drop((next, next_local));
        scene.until_quiet(what);
        assert_eq!(scene.idle(), (1, 1), "{what}");
    }
}

/// Beyond the bound a channel is idle only when the local service has all.
#[test]
fn a_channel_is_not_idle_before_a_slow_local_service_has_all_of_a_long_use() {
    for below in belows() {
        let what = name(&below);
        let scene = Scene::open(&below, 0, SMALL);
        let (visitor, local) = scene.visitor();
        local.shutdown(Shutdown::Write).expect("FIN");
        assert_eq!(end_of(&visitor), Ok(()));
        let much = 12_000_000;
        let writer = thread::spawn(move || {
            write(&visitor, &vec![5; much]);
            visitor.shutdown(Shutdown::Write).expect("FIN");
        });
        read(&local, 100_000);
        assert_eq!(scene.idle(), (0, 0), "{what}");
        // Another one gets a channel of its own.
        let (next, next_local) = scene.visitor();
        write(&next, b"next");
        assert_eq!(read(&next_local, 4), b"next", "{what}");
        assert_eq!(scene.channels_made(), 2, "{what}");
        assert_eq!(scene.idle(), (0, 0), "{what}");
        read(&local, much - 100_000);
        assert_eq!(end_of(&local), Ok(()), "{what}");
        writer.join().expect("it writes");
        drop((next, next_local));
        scene.until_quiet(what);
        assert_eq!(scene.idle(), (2, 2), "{what}");
    }
}

/// Nothing of the use has been said: the client knows of none.
#[test]
fn a_use_that_ends_before_its_start_is_said_leaves_the_channel_as_it_is() {
    for below in belows() {
        let scene = Scene::open(&below, 0, None);
        let facts = Arc::clone(&scene.server);
        let carrier = below.clone();
        scene.shards.run(move |shard| async move {
            let (client, server) = open_channel(&shard, &carrier, None).await;
            let home = Home::new(&facts, 1, shard.now());
            let channel = Channel::idle(server, home);
            let head = b"START".to_vec();
            let link = ReusedLink::new(&shard, Role::Server, channel, 1, head);
            let link = Link::Reused(Box::new(link));
            link.watch();
            link.abort(EndReason::VisitorReset);
            // Else its end would be seen.
            std::mem::forget(client);
        });
        assert_eq!(scene.idle().0, 1, "{}", name(&below));
    }
}

fn side() -> impl Strategy<Value = Side> {
    let length = prop_oneof![
        6 => 0..3_000_usize,
        3 => 60_000..70_000_usize,
        1 => 100_000..1_000_000_usize,
    ];
    let chunk = prop_oneof![1..2_000_usize, 10_000..200_000_usize];
    let read_size = prop_oneof![1_000..5_000_usize, 50_000..300_000_usize];
    let end = prop_oneof![5 => Just(End::Fin), 1 => Just(End::Reset)];
    let waits = prop_oneof![3 => Just(false), 1 => Just(true)];
    (length, chunk, end, waits, read_size, 0..20_usize).prop_map(
        |(length, chunk, end, waits, read_size, rest_every)| Side {
            length,
            // Not too many of them.
            chunk: chunk.max(length / 500),
            end,
            waits,
            read_size,
            rest_every,
        },
    )
}

/// One side at least says what it has to say by itself.
fn plays(pause: Duration) -> impl Strategy<Value = Play> {
    (side(), side()).prop_map(move |(visitor, local)| Play {
        local: Side {
            waits: local.waits && !visitor.waits,
            ..local
        },
        visitor,
        pause,
    })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 30,
        ..ProptestConfig::default()
    }
}

/// All of them at once, several times in a row; then what is left of the channels is put to use again.
fn check_all(scene: &Scene, buffers: Option<usize>, plays: &[Play], what: &str) {
    let stage = Stage::new(scene, buffers);
    thread::scope(|scope| {
        for first in 0..plays.len() {
            let stage = &stage;
            scope.spawn(move || {
                for round in 0..2 {
                    let tag = 1_000 * round + first + 1;
                    let at = (first + 5 * round) % plays.len();
                    stage.play(tag as u64, &plays[at]);
                }
            });
        }
    });
    scene.until_quiet(what);
    let (idle, _) = scene.idle();
    let made = scene.channels_made();
    thread::scope(|scope| {
        for index in 0..idle.min(20) {
            let stage = &stage;
            let echo = play(says(20_000), says(70_000));
            scope.spawn(move || stage.play(9_000 + index as u64, &echo));
        }
    });
    scene.until_quiet(what);
    let (left, _) = scene.idle();
    assert!(left >= idle, "{what}: {left} of {idle} channels are left");
    assert_eq!(scene.channels_made() - made, left - idle, "{what}");
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn no_byte_is_foreign_and_no_end_another_on_one_channel(
        plays in prop::collection::vec(plays(Duration::ZERO), 1..8),
        below in 0..belows().len(),
        small in any::<bool>(),
    ) {
        let below = &belows()[below];
        let buffers = SMALL.filter(|_| small);
        let scene = Scene::open(below, 0, buffers);
        let stage = Stage::new(&scene, buffers);
        for (tag, play) in plays.iter().enumerate() {
            stage.play(tag as u64 + 1, play);
            scene.until_quiet(name(below));
            // Never more than one; less where a reset could not be told in band.
            let is_clean = [&play.visitor, &play.local].iter().all(|it| it.end == End::Fin);
            let idle = scene.idle();
            prop_assert!(idle == (1, 1) || (!is_clean && idle == (0, 0)), "{:?}", idle);
        }
    }

    #[test]
    fn no_byte_is_foreign_and_no_end_another_on_many_channels(
        plays in prop::collection::vec(plays(Duration::ZERO), 8..16),
        below in 0..belows().len(),
        small in any::<bool>(),
    ) {
        let below = &belows()[below];
        let buffers = SMALL.filter(|_| small);
        let scene = Scene::open(below, 2, buffers);
        check_all(&scene, buffers, &plays, name(below));
    }
}

proptest! {
    #![proptest_config(config(12))]

    /// With words and payload under way, in pipes and sealed ones, too.
    #[test]
    fn uses_that_move_between_shards_lose_nothing(
        plays in prop::collection::vec(plays(Duration::from_millis(260)), 8..16),
        below in 0..belows().len(),
        small in any::<bool>(),
    ) {
        let below = &belows()[below];
        let buffers = SMALL.filter(|_| small);
        let scene = Scene::over(2, below, 2, buffers);
        let moved = keep_moving(&scene);
        check_all(&scene, buffers, &plays, name(below));
        prop_assert!(moved.load(SeqCst) > 0, "nothing has moved");
    }
}

/// From the one shard to the other, again and again; so many uses were seen at once where none begins.
fn keep_moving(scene: &Scene) -> Arc<AtomicUsize> {
    let most = Arc::new(AtomicUsize::new(0));
    for (index, remote) in scene.shards.context.remotes().iter().enumerate() {
        let most = Arc::clone(&most);
        remote.post(move |shard| {
            let mover = std::rc::Rc::clone(shard);
            shard.spawn("mover", async move {
                while mover.sleep(1).await.is_ok() {
                    mover.balance.give_next_to(1 - index);
                    if index == 1 {
                        most.fetch_max(mover.uses.borrow().len(), SeqCst);
                    }
                }
            });
        });
    }
    most
}
