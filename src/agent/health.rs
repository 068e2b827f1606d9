//! The answer to `mackerel-agent health`: whether the agent measures, and whether the server accepts its
//! posts.

use std::time::Duration;

use crate::base::clock::Moment;

/// Age up to which a measurement is fresh: two rounds and the time that they may take.
const MEASURED: Duration = Duration::from_secs(150);
/// Age up to which an accepted post is fresh.
pub(super) const POSTED: Duration = Duration::from_secs(5 * 60);
/// Bytes of the text of an answer.
const TEXT: usize = 1000;

/// What is known of the posts to one destination.
pub(crate) struct Post {
    /// What the text about the destination begins with. Empty if there is only one.
    pub(crate) label: String,
    /// When the destination last accepted something.
    pub(crate) posted: Option<Moment>,
    /// Whether nothing is sent to it any more.
    pub(crate) has_ended: bool,
}

/// The answer: one digit each (1 or 0) for whether the agent measures, and whether it posts to each
/// destination, then text for people. `measured` is when the agent last measured.
pub(crate) fn answer(
    measured: Option<Moment>,
    posts: impl Iterator<Item = Post>,
    now: Moment,
) -> String {
    let (measures, mut text) = age("measured", measured, now, MEASURED);
    let mut posts_all = true;
    // Not a loop: of a chain, that would be compiled to more.
    posts.for_each(|post| {
        let (is_fresh, words) = if post.has_ended {
            (false, "refused for good, see the log".to_owned())
        } else {
            age("posted", post.posted, now, POSTED)
        };
        posts_all &= is_fresh;
        text.extend([", ", &post.label, &words]);
    });
    text.truncate(text.floor_char_boundary(TEXT));
    let digit = |is_so| if is_so { "1" } else { "0" };
    [digit(measures), digit(posts_all), " ", &text].concat()
}

fn age(what: &str, last: Option<Moment>, now: Moment, limit: Duration) -> (bool, String) {
    match last.map(|last| now.since(last)) {
        Some(age) => (age <= limit, format!("{what} {} s ago", age.as_secs())),
        None => (false, format!("nothing {what} yet")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_have_to_be_fresh() {
        let at = |seconds| Some(Moment(Duration::from_secs(seconds)));
        // (measured, posted, answer at 1000 s)
        let table = [
            (None, None, "00 nothing measured yet, nothing posted yet"),
            (at(990), None, "10 measured 10 s ago, nothing posted yet"),
            (at(990), at(995), "11 measured 10 s ago, posted 5 s ago"),
            (at(850), at(700), "11 measured 150 s ago, posted 300 s ago"),
            (at(849), at(699), "00 measured 151 s ago, posted 301 s ago"),
            (at(990), at(600), "10 measured 10 s ago, posted 400 s ago"),
        ];
        let now = Moment(Duration::from_secs(1000));
        for (measured, posted, expected) in table {
            let post = Post {
                label: String::new(),
                posted,
                has_ended: false,
            };
            assert_eq!(answer(measured, [post].into_iter(), now), expected);
        }
    }

    #[test]
    fn health_needs_every_destination_and_names_it() {
        let at = |seconds| Some(Moment(Duration::from_secs(seconds)));
        // (posted to the second organisation, whether it has ended, digits, text about it)
        let table = [
            (at(990), false, "11", "posted 10 s ago"),
            (at(600), false, "10", "posted 400 s ago"),
            (None, false, "10", "nothing posted yet"),
            (at(990), true, "10", "refused for good, see the log"),
        ];
        let now = Moment(Duration::from_secs(1000));
        for (posted, has_ended, digits, text) in table {
            let post = |label: &str, posted, has_ended| Post {
                label: label.to_owned(),
                posted,
                has_ended,
            };
            let posts = [
                post("main organization: ", at(995), false),
                post("organization b: ", posted, has_ended),
            ];
            let expected = format!(
                "{digits} measured 10 s ago, main organization: posted 5 s ago, organization b: {text}"
            );
            assert_eq!(answer(at(990), posts.into_iter(), now), expected);
        }
        assert_eq!(
            answer(at(990), [].into_iter(), now),
            "11 measured 10 s ago",
            "no destination"
        );
    }
}
