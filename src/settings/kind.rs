//! The kinds of settings: the type of the value, and the field that stores it.

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
    /// A text; `None` if it is empty.
    Text(fn(&mut T) -> &mut Option<String>),
    /// A text that should be one of these words. Another text is stored with a warning, because the
    /// server decides. (An array, because a reference to it is smaller.)
    Word(
        fn(&mut T) -> &mut Option<String>,
        &'static [&'static str; 4],
    ),
    /// A path; `None` if it is empty.
    Path(fn(&mut T) -> &mut Option<PathBuf>),
    /// A path. An empty one is replaced by the default, the second field.
    PathOr(fn(&mut T) -> &mut PathBuf, &'static &'static str),
    /// The path of a file, stored with the place where it is configured; `None` if it is empty.
    File(fn(&mut T) -> &mut Option<NamedFile>),
    Texts(fn(&mut T) -> &mut Vec<String>),
    /// A regular expression.
    Pattern(fn(&mut T) -> &mut Option<Pattern>),
    /// Whole minutes, as a number or as a duration such as `1h30m`.
    Minutes(fn(&mut T) -> &mut Option<u32>),
    /// Whole minutes as in `Minutes`, within the inclusive bounds.
    MinutesWithin(fn(&mut T) -> &mut Duration, (u32, u32)),
    /// Whole seconds within the inclusive bounds.
    Seconds(fn(&mut T) -> &mut Duration, (u32, u32)),
    /// A value with a reader of its own, and the function that swaps two values. Only a setting
    /// whose change needs a restart has to have the latter ([`swap`]).
    Own(Read<T>, Option<Swap<T>>),
    /// A table with keys of its own.
    Table(fn(&mut Walk<'_>, &mut T, Item<'_>)),
}

/// Reads a value and stores it, or fails with the reason why it cannot be used.
pub(super) type Read<T> = fn(&mut T, Item<'_>) -> Result<(), String>;
/// Swaps a value of two structures if it differs. Returns whether it does.
pub(super) type Swap<T> = fn(&mut T, &mut T) -> bool;

/// A field, by the type of its value. It does not depend on `T`, so that the code that reads values
/// is compiled once.
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
    /// Stores a value, or fails with the reason why it cannot be used.
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
    /// Stores a value, or fails with the reason why it cannot be used. Does nothing for a table.
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

    /// Whether the value is a table with keys of its own.
    pub(super) const fn is_table(&self) -> bool {
        matches!(self, Kind::Table(_))
    }

    /// Whether [`Kind::swap`] can swap two values of this kind.
    pub(super) const fn has_swap(&self) -> bool {
        !matches!(
            self,
            Kind::File(_)
                | Kind::Pattern(_)
                | Kind::Minutes(_)
                | Kind::Own(_, None)
                | Kind::Table(_)
        )
    }

    /// Swaps the values of two configurations if they differ. Returns whether they do.
    pub(super) fn swap(&self, one: &mut T, other: &mut T) -> bool {
        match self {
            Kind::Bool(at) => swap(at(one), at(other)),
            Kind::Text(at) | Kind::Word(at, _) => swap(at(one), at(other)),
            Kind::Path(at) => swap(at(one), at(other)),
            Kind::PathOr(at, _) => swap(at(one), at(other)),
            Kind::Texts(at) => swap(at(one), at(other)),
            Kind::MinutesWithin(at, _) | Kind::Seconds(at, _) => swap(at(one), at(other)),
            Kind::Own(_, Some(swap)) => swap(one, other),
            // `Row::restart` does not compile with these.
            _ => false,
        }
    }

    /// The words of [`Kind::Word`]; `None` for any other kind.
    pub(super) fn words(&self) -> Words {
        match self {
            Kind::Word(_, words) => Some(words),
            _ => None,
        }
    }
}

/// The words that a text should be one of; `None` if it may be any.
pub(super) type Words = Option<&'static [&'static str; 4]>;

/// The warning about a value that is none of `words` but is stored nevertheless; `None` if it is
/// one of them or empty.
pub(super) fn doubt(item: Item<'_>, words: Words) -> Option<String> {
    let words = words?;
    let word = item.string().ok().filter(|word| !word.is_empty())?;
    let is_doubtful = !words.contains(&word);
    is_doubtful.then(|| format!("{}; write {}", quoted(word), words.join(", ")))
}

/// Stores a value that was read. For [`Kind::Own`].
pub(super) fn store<V>(at: &mut V, value: V) -> Result<(), String> {
    *at = value;
    Ok(())
}

/// Swaps two values if they differ. Returns whether they do.
pub(super) fn swap<V: PartialEq>(one: &mut V, other: &mut V) -> bool {
    let differs = one != other;
    if differs {
        mem::swap(one, other);
    }
    differs
}

/// The text; `None` if it is empty.
fn present(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
