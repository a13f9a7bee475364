//! Why a use of a data channel was aborted, as a number on the wire (docs/wire.md, section 5). The
//! same number has another meaning where the other end says it.

use crate::reason::EndReason;

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    Client,
    Server,
}

/// What the peer is told. Ends that the table does not name are nobody's business but ours: 0.
pub(crate) fn number(reason: EndReason) -> u8 {
    match reason {
        EndReason::VisitorReset | EndReason::LocalReset => 1,
        EndReason::LocalRefused => 2,
        EndReason::LocalTimeout => 3,
        EndReason::LocalUnreachable => 4,
        EndReason::HalfCloseTimeout => 5,
        EndReason::VisitorLimit => 6,
        EndReason::Drain => 7,
        EndReason::ServiceClosed => 8,
        EndReason::Destroyed => 9,
        EndReason::InternalError => 10,
        _ => 0,
    }
}

/// What the peer meant. A number that is not in the teller's column is read as 0.
pub(crate) fn reason(number: u8, teller: Teller) -> EndReason {
    match (number, teller) {
        (1, Teller::Client) => EndReason::LocalReset,
        (1, Teller::Server) => EndReason::VisitorReset,
        (2, Teller::Client) => EndReason::LocalRefused,
        (3, Teller::Client) => EndReason::LocalTimeout,
        (4, Teller::Client) => EndReason::LocalUnreachable,
        (5, _) => EndReason::HalfCloseTimeout,
        (6, _) => EndReason::VisitorLimit,
        (7, _) => EndReason::Drain,
        (8, _) => EndReason::ServiceClosed,
        (9, _) => EndReason::Destroyed,
        (10, _) => EndReason::InternalError,
        _ => EndReason::ChannelReset,
    }
}

#[cfg(test)]
mod tests {
    use super::{Teller, number, reason};
    use crate::reason::EndReason;

    /// The table of docs/wire.md, by its codes.
    fn table() -> Vec<(u8, [EndReason; 2])> {
        let text = include_str!("../../../docs/wire.md");
        let rows = text.lines().filter_map(|line| {
            let cells: Vec<_> = line
                .split('|')
                .map(|it| it.trim().trim_matches('`'))
                .collect();
            let [_, number, by_client, by_server, _] = cells[..] else {
                return None;
            };
            let row = number.parse().ok()?;
            let meant = |code| EndReason::from_code(code).unwrap_or(EndReason::ChannelReset);
            Some((row, [meant(by_client), meant(by_server)]))
        });
        rows.collect()
    }

    #[test]
    fn every_number_is_read_as_the_document_says() {
        let table = table();
        assert_eq!(table.len(), 11, "{table:?}");
        for value in 0..=u8::MAX {
            let row = table.iter().find(|(number, _)| *number == value);
            let unknown = [EndReason::ChannelReset; 2];
            let meant = row.map_or(unknown, |(_, meant)| *meant);
            let read = [Teller::Client, Teller::Server].map(|teller| reason(value, teller));
            assert_eq!(read, meant, "{value}");
        }
    }

    #[test]
    fn what_is_told_is_read_as_the_same_and_all_else_as_a_reset_channel() {
        let table = table();
        for told in EndReason::ALL {
            let row = table.iter().find(|(_, meant)| meant.contains(told));
            assert_eq!(
                number(*told),
                row.map_or(0, |(number, _)| *number),
                "{told:?}"
            );
        }
    }
}
