//! A row of the table.
//!
//! Rows are built in constants. Fields that only the documentation needs are compiled into the
//! tests only, so that the program does not contain them.

use super::kind::{Kind, Words, doubt};
use crate::config::Flags;
use crate::config::Level;
use crate::config::item::Item;
use crate::config::walk::Walk;

/// Stores the value of the current key if `rows` has the key, ignoring case. Returns whether it
/// has.
pub(crate) fn read_known<T>(
    walk: &mut Walk<'_>,
    into: &mut T,
    rows: &[Row<T>],
    item: Item<'_>,
) -> bool {
    let last = walk.last();
    let Some(row) = rows.iter().find(|row| row.key.eq_ignore_ascii_case(last)) else {
        return false;
    };
    if let Kind::Table(read) = row.kind {
        read(walk, into, item);
    } else {
        let stored = row.kind.store(into, item);
        report(walk, item, stored, row.kind.words());
    }
    true
}

/// Records the problem of the current key's value, or a warning if the value is doubtful.
fn report(walk: &mut Walk<'_>, item: Item<'_>, stored: Result<(), String>, words: Words) {
    if let Err(why) = stored {
        walk.wrong(item.line, &why);
    } else if let Some(doubt) = doubt(item, words) {
        let text = format!("{}: {doubt}", walk.dotted());
        walk.note(Level::Mistake, item.line, text);
    }
}

/// Reads a value that has to be a table with the keys of `rows`. `name` is the table's name in
/// messages.
pub(crate) fn read_table<T>(
    walk: &mut Walk<'_>,
    into: &mut T,
    rows: &[Row<T>],
    item: Item<'_>,
    name: &str,
) {
    if let Some(table) = walk.expect_table(item, name) {
        walk.each(table, |walk, item| {
            if !read_known(walk, into, rows, item) {
                walk.unread(item);
            }
        });
    }
}

/// A setting.
pub(super) struct Row<T: 'static> {
    pub(super) key: &'static str,
    pub(super) kind: Kind<T>,
    /// Whether the variable `MACKEREL_SECTION_KEY` sets it.
    pub(super) has_variable: bool,
    /// Another variable that sets it. (A reference to a text is half as large as a text.)
    pub(super) other_variable: Option<&'static &'static str>,
    pub(super) restart: Restart,
    /// Takes the value from the command line.
    pub(super) flag: Option<Overlay<T>>,
    #[cfg(test)]
    pub(super) doc: Doc,
}

/// Whether a change needs a restart, and the name that a reload reports then.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Restart {
    /// A change takes effect at a reload.
    No,
    /// The key.
    Key,
    /// The section, whose keys are reported together.
    Section,
    /// The paths of the monitored host, which are reported together.
    HostPaths,
}

impl Restart {
    /// The name that a reload reports for `key` of `section`; `None` if a change takes effect.
    pub(super) fn name(self, section: &str, key: &str) -> Option<String> {
        match self {
            Restart::No => None,
            Restart::Key if section.is_empty() => Some(key.to_owned()),
            Restart::Key => Some([section, ".", key].concat()),
            Restart::Section => Some(section.to_owned()),
            Restart::HostPaths => Some("host_root and its like".to_owned()),
        }
    }
}

/// Stores the value of a flag, if the flag is given. Fails with the text for the user, which names
/// the flag.
pub(super) type Overlay<T> = fn(&mut T, &Flags) -> Result<(), String>;

/// The settings below one `[name]`, or at the top of the file if the name is empty.
pub(super) struct Section<T: 'static> {
    pub(super) name: &'static str,
    pub(super) rows: &'static [Row<T>],
    #[cfg(test)]
    pub(super) about: &'static str,
}

/// What the documentation says about a setting.
#[cfg(test)]
#[derive(Clone, Copy, Default)]
pub(super) struct Doc {
    pub(super) about: &'static str,
    /// Further sentences, which the sample leaves out.
    pub(super) more: &'static str,
    /// The accepted values, if they do not follow from the kind.
    pub(super) values: &'static str,
    /// The default as TOML; empty if there is none.
    pub(super) default: &'static str,
    /// A value that differs from the default, as TOML.
    pub(super) example: &'static str,
    /// The names of the flag.
    pub(super) flags: &'static [&'static str],
    /// Whether it is for the agent's own use, and not in the sample.
    pub(super) is_internal: bool,
    /// The kinds of plugins that have the key, and the value in the sample's plugin of that kind.
    /// A key with an empty value is not shown.
    pub(super) of: &'static [(&'static str, &'static str)],
}

/// The section `name`. `about` is its description in the sample and the documentation.
pub(super) const fn section<T>(
    name: &'static str,
    rows: &'static [Row<T>],
    about: &'static str,
) -> Section<T> {
    #[cfg(not(test))]
    let _ = about;
    Section {
        name,
        rows,
        #[cfg(test)]
        about,
    }
}

/// Methods that set a field of the documentation. In the program they do nothing.
macro_rules! documented {
    ($($(#[$doc:meta])* $field:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        pub(super) const fn $field(self, $field: $type) -> Row<T> {
            #[cfg(not(test))]
            let _ = $field;
            Row {
                #[cfg(test)]
                doc: Doc { $field, ..self.doc },
                ..self
            }
        }
    )*};
}

impl<T> Row<T> {
    /// A row for `key` with a value of `kind`. It has a variable, unless it is a table. A change
    /// takes effect at a reload.
    pub(super) const fn new(key: &'static str, kind: Kind<T>) -> Row<T> {
        let has_variable = !kind.is_table();
        Row {
            key,
            kind,
            has_variable,
            other_variable: None,
            restart: Restart::No,
            flag: None,
            #[cfg(test)]
            doc: Doc {
                about: "",
                more: "",
                values: "",
                default: "",
                example: "",
                flags: &[],
                is_internal: false,
                of: &[],
            },
        }
    }

    documented! {
        /// One or two sentences: what it is, units, limits. The sample shows them.
        about: &'static str;
        /// Further sentences, which the sample leaves out.
        more: &'static str;
        /// The accepted values, if they do not follow from the kind.
        values: &'static str;
        /// The default, as TOML. `false` need not be given.
        default: &'static str;
        /// A value that is not the default. `true` need not be given.
        example: &'static str;
        /// The kinds of plugins that have the key, and the values in the sample.
        of: &'static [(&'static str, &'static str)];
    }

    /// This row, marked as internal: for the agent's own use, and omitted from the sample.
    pub(super) const fn internal(self) -> Row<T> {
        Row {
            #[cfg(test)]
            doc: Doc {
                is_internal: true,
                ..self.doc
            },
            ..self
        }
    }

    /// This row without a variable.
    pub(super) const fn no_variable(self) -> Row<T> {
        Row {
            has_variable: false,
            ..self
        }
    }

    /// This row with another variable besides `MACKEREL_SECTION_KEY`.
    pub(super) const fn other_variable(self, name: &'static &'static str) -> Row<T> {
        Row {
            other_variable: Some(name),
            ..self
        }
    }

    /// This row for a setting whose change needs a restart.
    pub(super) const fn restart(self, restart: Restart) -> Row<T> {
        assert!(self.kind.has_swap(), "give Kind::Own a swap");
        Row { restart, ..self }
    }

    /// This row with a flag of these names.
    pub(super) const fn flag(self, names: &'static [&'static str], overlay: Overlay<T>) -> Row<T> {
        #[cfg(not(test))]
        let _ = names;
        Row {
            flag: Some(overlay),
            #[cfg(test)]
            doc: Doc {
                flags: names,
                ..self.doc
            },
            ..self
        }
    }
}
