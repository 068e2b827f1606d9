//! What the value of a setting looks like, and where it is stored.

use std::mem;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::pattern::Pattern;
use crate::config::NamedFile;
use crate::config::item::Item;
use crate::config::key::quoted;
use crate::config::walk::Walk;

/// The type of a setting's value, and the field of `T` that holds it.
pub(super) enum Kind<T: 'static> {
    Bool(fn(&mut T) -> &mut bool),
    /// An empty text is none.
    Text(fn(&mut T) -> &mut Option<String>),
    /// A text that should be one of these words. (An array, because its reference is smaller.)
    /// Another one is stored with a warning, because the
    /// server decides.
    Word(
        fn(&mut T) -> &mut Option<String>,
        &'static [&'static str; 4],
    ),
    /// A path. An empty one is none.
    Path(fn(&mut T) -> &mut Option<PathBuf>),
    /// A path. An empty one is the default, which is given here.
    PathOr(fn(&mut T) -> &mut PathBuf, &'static &'static str),
    /// The path of a file, kept with the place that names it. An empty one is none.
    File(fn(&mut T) -> &mut Option<NamedFile>),
    Texts(fn(&mut T) -> &mut Vec<String>),
    /// A regular expression.
    Pattern(fn(&mut T) -> &mut Option<Pattern>),
    /// Whole minutes, as a number or as a duration such as `1h30m`.
    Minutes(fn(&mut T) -> &mut Option<u32>),
    /// The same, from the first number to the second.
    MinutesWithin(fn(&mut T) -> &mut Duration, (u32, u32)),
    /// Whole seconds, from the first number to the second.
    Seconds(fn(&mut T) -> &mut Duration, (u32, u32)),
    /// A value that is read in its own way, or refused with a reason; and how two values change
    /// places, where a reload needs that ([`swap`]).
    Own(Read<T>, Option<Swap<T>>),
    /// A table with keys of its own.
    Table(fn(&mut Walk<'_>, &mut T, Item<'_>)),
}

/// Reads a value and stores it.
pub(super) type Read<T> = fn(&mut T, Item<'_>) -> Result<(), String>;
/// Exchanges a value if the two differ. Returns whether they do.
pub(super) type Swap<T> = fn(&mut T, &mut T) -> bool;

/// A field, by the type of its value: the same for all `T`, so that reading exists once.
enum Field<'a> {
    Bool(&'a mut bool),
    Text(&'a mut Option<String>),
    Path(&'a mut Option<PathBuf>),
    PathOr(&'a mut PathBuf, &'static str),
    File(&'a mut Option<NamedFile>),
    Texts(&'a mut Vec<String>),
    Pattern(&'a mut Option<Pattern>),
    Minutes(&'a mut Option<u32>),
    MinutesWithin(&'a mut Duration, (u32, u32)),
    Seconds(&'a mut Duration, (u32, u32)),
}

impl Field<'_> {
    /// Stores a value, or returns why it cannot be used.
    fn store(self, item: Item<'_>) -> Result<(), String> {
        match self {
            Field::Bool(at) => store(at, item.boolean()?),
            Field::Text(at) => store(at, present(item.string()?)),
            Field::Path(at) => store(at, present(item.string()?).map(PathBuf::from)),
            Field::PathOr(at, default) => {
                let text = item.string()?;
                let path = if text.is_empty() { default } else { text };
                store(at, PathBuf::from(path))
            }
            Field::File(at) => store(at, item.named()?),
            Field::Texts(at) => store(at, item.strings()?),
            Field::Pattern(at) => store(at, Some(item.pattern()?)),
            Field::Minutes(at) => store(at, Some(item.minutes()?)),
            Field::MinutesWithin(at, (least, most)) => {
                let minutes = item.minutes()?;
                if minutes < least || minutes > most {
                    return Err(format!("{minutes} minutes; write {least} to {most}"));
                }
                store(at, Duration::from_secs(u64::from(minutes) * 60))
            }
            Field::Seconds(at, (least, most)) => {
                let seconds: Option<u32> = item.text()?.parse().ok();
                let Some(seconds) = seconds.filter(|it| (least..=most).contains(it)) else {
                    return Err(format!("not a number of seconds from {least} to {most}"));
                };
                store(at, Duration::from_secs(seconds.into()))
            }
        }
    }
}

impl<T> Kind<T> {
    /// Stores a value, or returns why it cannot be used. A table is left alone.
    pub(super) fn store(&self, into: &mut T, item: Item<'_>) -> Result<(), String> {
        let field = match self {
            Kind::Bool(at) => Field::Bool(at(into)),
            Kind::Text(at) | Kind::Word(at, _) => Field::Text(at(into)),
            Kind::Path(at) => Field::Path(at(into)),
            Kind::PathOr(at, default) => Field::PathOr(at(into), default),
            Kind::File(at) => Field::File(at(into)),
            Kind::Texts(at) => Field::Texts(at(into)),
            Kind::Pattern(at) => Field::Pattern(at(into)),
            Kind::Minutes(at) => Field::Minutes(at(into)),
            Kind::MinutesWithin(at, limits) => Field::MinutesWithin(at(into), *limits),
            Kind::Seconds(at, limits) => Field::Seconds(at(into), *limits),
            Kind::Own(read, _) => return read(into, item),
            Kind::Table(_) => return Ok(()),
        };
        field.store(item)
    }

    /// Whether the key has keys of its own.
    pub(super) const fn is_table(&self) -> bool {
        matches!(self, Kind::Table(_))
    }

    /// Whether [`Kind::swap`] knows how two values change places.
    pub(super) const fn has_swap(&self) -> bool {
        !matches!(
            self,
            Kind::File(_)
                | Kind::Texts(_)
                | Kind::Pattern(_)
                | Kind::Minutes(_)
                | Kind::Own(_, None)
                | Kind::Table(_)
        )
    }

    /// Exchanges the values of two configurations if they differ. Returns whether they do.
    pub(super) fn swap(&self, one: &mut T, other: &mut T) -> bool {
        match self {
            Kind::Bool(at) => swap(at(one), at(other)),
            Kind::Text(at) | Kind::Word(at, _) => swap(at(one), at(other)),
            Kind::Path(at) => swap(at(one), at(other)),
            Kind::PathOr(at, _) => swap(at(one), at(other)),
            Kind::MinutesWithin(at, _) | Kind::Seconds(at, _) => swap(at(one), at(other)),
            Kind::Own(_, Some(swap)) => swap(one, other),
            // `Row::restart` does not compile with these.
            _ => false,
        }
    }

    /// The words that the text should be one of.
    pub(super) fn words(&self) -> Words {
        match self {
            Kind::Word(_, words) => Some(words),
            _ => None,
        }
    }
}

/// The words that a text should be one of; `None` if it may be any.
pub(super) type Words = Option<&'static [&'static str; 4]>;

/// What is doubtful about a value that can be stored: it is none of `words`.
pub(super) fn doubt(item: Item<'_>, words: Words) -> Option<String> {
    let words = words?;
    let word = item.string().ok().filter(|word| !word.is_empty())?;
    let is_doubtful = !words.contains(&word);
    is_doubtful.then(|| format!("{}; write {}", quoted(word), words.join(", ")))
}

/// Stores what was read. For [`Kind::Own`].
pub(super) fn store<V>(at: &mut V, value: V) -> Result<(), String> {
    *at = value;
    Ok(())
}

/// Exchanges two values if they differ. Returns whether they do.
pub(super) fn swap<V: PartialEq>(one: &mut V, other: &mut V) -> bool {
    let differs = one != other;
    if differs {
        mem::swap(one, other);
    }
    differs
}

/// A text that is there; `None` if it is empty.
fn present(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
