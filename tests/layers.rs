//! Checks the architecture: which module may use which, that there are no cycles, and which crates
//! are banned.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a failed expectation is a panic here"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// Modules that every module above them may use.
const LOWER: &[&str] = &["base", "parse", "wire", "config", "sys", "describe"];

/// A module of the first level, whether it may use [`LOWER`], and what else it may use: modules of
/// the first level, or parts of them.
///
/// `main` may use everything. So may the tests of a module that may use [`LOWER`].
const ALLOWED: &[(&str, bool, &[&str])] = &[
    ("base", false, &[]),
    ("parse", false, &["base"]),
    ("wire", false, &["base"]),
    ("config", false, &["base"]),
    ("sys", false, &["base", "parse"]),
    (
        "describe",
        false,
        &["base", "parse", "wire", "config", "sys"],
    ),
    ("collect", true, &[]),
    ("render", true, &["collect::readings"]),
    ("measure", true, &["collect", "render"]),
    ("listen", true, &["render"]),
    ("settings", true, &[]),
    ("plugins", true, &["applets"]),
    ("applets", true, &["collect"]),
    ("deliver", true, &["render"]),
    (
        "agent",
        true,
        &[
            "collect", "render", "measure", "deliver", "listen", "plugins", "settings",
        ],
    ),
    (
        "commands",
        true,
        &[
            "applets", "collect", "render", "measure", "deliver", "listen", "plugins", "settings",
        ],
    ),
    ("supervise", true, &["settings"]),
    ("install", true, &["settings"]),
    ("plugin_install", true, &["settings", "install"]),
    ("cli", true, &["settings"]),
];

/// The path of a module below the crate's root.
type Module = Vec<String>;

#[test]
fn modules_use_only_what_the_table_allows() {
    let tree = Tree::read(Path::new("src"));
    let wrong = tree.wrong(ALLOWED);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn table_has_a_row_for_each_module_and_no_other() {
    let tree = Tree::read(Path::new("src"));
    let mut there: BTreeSet<&str> = tree
        .files
        .keys()
        .filter_map(|m| Some(&**m.first()?))
        .collect();
    for (name, _, used) in ALLOWED {
        assert!(there.remove(name), "{name} is no module");
        for used in *used {
            let path: Module = used.split("::").map(str::to_owned).collect();
            assert!(
                tree.files.contains_key(&path),
                "{name}: {used} is no module"
            );
        }
    }
    assert!(there.is_empty(), "without a row: {there:?}");
}

/// A path in the source, resolved.
struct Use {
    from: Module,
    /// The part of the path that is a module.
    to: Module,
    /// The number of `super` at its start, without those that leave inline modules.
    supers: usize,
    /// The path as it is written.
    text: String,
    /// Whether it is in code for tests alone: only cycles of the program count.
    is_test: bool,
}

/// Source files by the module that they hold.
struct Tree {
    files: BTreeMap<Module, (PathBuf, String)>,
}

impl Tree {
    fn read(top: &Path) -> Tree {
        let files = sources(top).into_iter().map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text)
        });
        Tree::of(top, files)
    }

    fn of(top: &Path, files: impl Iterator<Item = (PathBuf, String)>) -> Tree {
        let module = |path: &Path| {
            let path = path.strip_prefix(top).unwrap().with_extension("");
            let mut parts: Module = path
                .iter()
                .map(|part| part.to_str().unwrap().to_owned())
                .collect();
            parts.pop_if(|last| last == "mod" || last == "main");
            parts
        };
        Tree {
            files: files
                .map(|(path, text)| (module(&path), (path, text)))
                .collect(),
        }
    }

    /// The longest prefix of `path` that is a module.
    fn module_in(&self, path: &[String]) -> Module {
        let mut path = path.to_vec();
        while !self.files.contains_key(&path) && path.pop().is_some() {}
        path
    }

    /// Every use of one module by another.
    fn uses(&self) -> Vec<Use> {
        let (mut found, mut tests_alone) = (Vec::new(), Vec::<Module>::new());
        for (module, (path, text)) in &self.files {
            let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let mut paths = Paths::default();
            paths.visit_file(&file);
            for path in paths.found {
                found.extend(self.resolve(module, path));
            }
            let tests = paths.tests.into_iter();
            tests_alone.extend(tests.map(|name| [&module[..], &[name]].concat()));
        }
        for Use { from, is_test, .. } in &mut found {
            *is_test |= tests_alone.iter().any(|tests| from.starts_with(tests));
        }
        found
    }

    /// The use that a path in `module` is. `None` if it leads to no other module of this crate.
    fn resolve(&self, module: &Module, path: FoundPath) -> Option<Use> {
        let segments = path.segments;
        let head = segments.first()?.as_str();
        let supers = segments
            .iter()
            .take_while(|segment| *segment == "super")
            .count();
        let beyond = supers.saturating_sub(path.inline);
        let full: Module = match head {
            "crate" => segments[1..].to_vec(),
            // The path stays within the file.
            "super" if beyond == 0 => return None,
            "super" => {
                let base = module.len().checked_sub(beyond)?;
                [&module[..base], &segments[supers..]].concat()
            }
            "self" => [module, &segments[1..]].concat(),
            _ => return None,
        };
        let to = self.module_in(&full);
        (to != *module).then(|| Use {
            from: module.clone(),
            to,
            supers: beyond,
            text: segments.join("::"),
            is_test: path.is_test,
        })
    }

    /// The violations of this table, one line each.
    fn wrong(&self, allowed: &[(&str, bool, &[&str])]) -> Vec<String> {
        let uses = self.uses();
        let mut wrong = Vec::new();
        for Use {
            from,
            to,
            supers,
            text,
            is_test,
        } in &uses
        {
            let file = self.files[from].0.display();
            let (Some(own), Some(used)) = (from.first(), to.first()) else {
                continue;
            };
            if own != used {
                let row = allowed.iter().find(|(name, ..)| name == own);
                let Some((_, lower, others)) = row else {
                    wrong.push(format!("{file}: the table has no row for {own}"));
                    continue;
                };
                let name = to.join("::");
                let is_below =
                    |module: &str| name == module || name.starts_with(&format!("{module}::"));
                let may = *lower && *is_test
                    || others.iter().any(|other| is_below(other))
                    || *lower && LOWER.iter().any(|other| is_below(other));
                if !may {
                    wrong.push(format!("{file}: {own} may not use {name} ({text})"));
                }
            }
            // `super::super` must not lead to a neighbouring module. Ancestors, and modules below
            // the same module of the second level, are allowed.
            let is_own = from.len() >= 2 && to.len() >= 2 && from[..2] == to[..2];
            if *supers >= 2 && !is_own && !to.is_empty() && !from.starts_with(to) {
                let name = to.join("::");
                wrong.push(format!(
                    "{file}: {text} is in a neighbouring module: write crate::{name}"
                ));
            }
        }
        for depth in [1, 2] {
            wrong.extend(cycles(&uses, depth));
        }
        wrong.sort();
        wrong.dedup();
        wrong
    }
}

/// The cycles between modules of the same parent. Each module's path has `depth` names.
fn cycles(uses: &[Use], depth: usize) -> Vec<String> {
    let mut edges: BTreeMap<&[String], BTreeSet<&[String]>> = BTreeMap::new();
    for Use { from, to, .. } in uses.iter().filter(|path| !path.is_test) {
        if from.len() >= depth && to.len() >= depth {
            let (from, to) = (&from[..depth], &to[..depth]);
            if from != to && from[..depth - 1] == to[..depth - 1] {
                edges.entry(from).or_default().insert(to);
            }
        }
    }
    let mut found = Vec::new();
    let mut reported = BTreeSet::new();
    for start in edges.keys() {
        if let Some(cycle) = shortest_cycle(&edges, start)
            && !cycle.iter().any(|module| reported.contains(module))
        {
            reported.extend(cycle.iter().copied());
            let names = cycle.iter().chain([start]).map(|module| module.join("::"));
            found.push(format!("cycle: {}", names.collect::<Vec<_>>().join(" -> ")));
        }
    }
    found
}

fn shortest_cycle<'m>(
    edges: &BTreeMap<&'m [String], BTreeSet<&'m [String]>>,
    start: &'m [String],
) -> Option<Vec<&'m [String]>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in edges.get(way.last()?).into_iter().flatten() {
                if *next == start {
                    return Some(way);
                }
                if seen.insert(*next) {
                    longer.push([&way[..], &[*next]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// A path as it is written.
struct FoundPath {
    segments: Vec<String>,
    /// The number of inline modules around it.
    inline: usize,
    is_test: bool,
}

/// Finds the paths of a file.
#[derive(Default)]
struct Paths {
    inline: usize,
    is_test: bool,
    found: Vec<FoundPath>,
    /// Files below it for tests alone.
    tests: Vec<String>,
}

impl Paths {
    fn add(&mut self, segments: Vec<String>) {
        self.found.push(FoundPath {
            segments,
            inline: self.inline,
            is_test: self.is_test,
        });
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before);
                }
            }
            syn::UseTree::Name(name) if name.ident == "self" => self.add(before.to_vec()),
            syn::UseTree::Name(name) => self.add(with(&name.ident)),
            syn::UseTree::Rename(name) => self.add(with(&name.ident)),
            syn::UseTree::Glob(_) => self.add(before.to_vec()),
        }
    }
}

impl<'a> Visit<'a> for Paths {
    fn visit_item(&mut self, item: &'a syn::Item) {
        let was = self.is_test;
        self.is_test |= is_for_tests(item);
        visit::visit_item(self, item);
        self.is_test = was;
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if item.content.is_some() {
            self.inline += 1;
            visit::visit_item_mod(self, item);
            self.inline -= 1;
        } else if self.is_test {
            self.tests.push(item.ident.to_string());
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments = path.segments.iter();
        self.add(segments.map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// The tokens of a macro call are not parsed. Paths are found by their words.
    fn visit_macro(&mut self, call: &'a syn::Macro) {
        let text = call.tokens.to_string();
        let words: Vec<&str> = text.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            let is_head = matches!(*word, "crate" | "super") && (at == 0 || words[at - 1] != "::");
            if is_head {
                let mut segments = vec![(*word).to_owned()];
                let mut rest = words[at + 1..].chunks_exact(2);
                while let Some(["::", name]) = rest.next()
                    && name.chars().all(|c| c.is_alphanumeric() || c == '_')
                {
                    segments.push((*name).to_owned());
                }
                self.add(segments);
            }
        }
        visit::visit_macro(self, call);
    }

    /// A visibility is not a use.
    fn visit_visibility(&mut self, _: &'a syn::Visibility) {}
}

/// Whether an item has the attribute `#[cfg(test)]`.
fn is_for_tests(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|what| what == "test")
    })
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The checker's result for a small tree of these files (path, text).
fn said_of(files: &[(&str, &str)]) -> String {
    const TABLE: &[(&str, bool, &[&str])] = &[
        ("base", false, &[]),
        ("a", true, &["b::open"]),
        ("b", true, &[]),
    ];
    let files = files
        .iter()
        .map(|(path, text)| (Path::new("src").join(path), (*text).to_owned()));
    Tree::of(Path::new("src"), files).wrong(TABLE).join("\n")
}

#[test]
fn checker_judges_small_trees() {
    // (why this row exists, files, expected result; empty for none)
    type Row = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let table: [Row; 14] = [
        (
            "a lower module",
            &[("a/mod.rs", "use crate::base::x;"), ("base.rs", "")],
            "",
        ),
        (
            "a higher one",
            &[("base.rs", "use crate::a::x;"), ("a/mod.rs", "")],
            "src/base.rs: base may not use a (crate::a::x)",
        ),
        (
            "a part that is allowed",
            &[
                ("a/mod.rs", "use crate::b::open::x;"),
                ("b/mod.rs", ""),
                ("b/open.rs", ""),
            ],
            "",
        ),
        (
            "another part, in nested groups",
            &[
                (
                    "a/mod.rs",
                    "use crate::{base::x, b::{open::{self, y}, shut::z}};",
                ),
                ("b/mod.rs", ""),
                ("b/open.rs", ""),
                ("b/shut.rs", ""),
                ("base.rs", ""),
            ],
            "src/a/mod.rs: a may not use b::shut (crate::b::shut::z)",
        ),
        (
            "in an expression",
            &[("b.rs", "fn f() { crate::a::x(); }"), ("a/mod.rs", "")],
            "src/b.rs: b may not use a (crate::a::x)",
        ),
        (
            "in a macro",
            &[
                ("b.rs", "fn f() { log!(\"{}\", crate::a::x()); }"),
                ("a/mod.rs", ""),
            ],
            "src/b.rs: b may not use a (crate::a::x)",
        ),
        (
            "by super from the top",
            &[("b.rs", "use super::a::x;"), ("a/mod.rs", "")],
            "src/b.rs: b may not use a (super::a::x)",
        ),
        (
            "by super::super into a neighbouring module",
            &[
                ("a/mod.rs", ""),
                ("a/x/mod.rs", ""),
                ("a/x/deep.rs", "use super::super::y::thing;"),
                ("a/y.rs", ""),
            ],
            "src/a/x/deep.rs: super::super::y::thing is in a neighbouring module: write crate::a::y",
        ),
        (
            "by super::super into its own",
            &[
                ("a/x/mod.rs", ""),
                ("a/x/w.rs", ""),
                ("a/x/deep/mod.rs", ""),
                ("a/x/deep/er.rs", "use super::super::w::thing;"),
            ],
            "",
        ),
        (
            "by super::super out of inline tests",
            &[
                ("a/x.rs", "mod tests { use super::super::y::thing; }"),
                ("a/y.rs", ""),
            ],
            "",
        ),
        (
            "two files that use each other",
            &[
                ("a/x.rs", "use super::y::Y;"),
                ("a/y.rs", "use super::x::X;"),
            ],
            "cycle: a::x -> a::y -> a::x",
        ),
        (
            "a cycle of three files",
            &[
                ("a/x.rs", "use super::y::Y;"),
                ("a/y.rs", "fn f() -> crate::a::z::Z { todo!() }"),
                ("a/z.rs", "use super::{other, x::{X, XX}};"),
            ],
            "cycle: a::x -> a::y -> a::z -> a::x",
        ),
        (
            "a cycle of tests alone",
            &[
                (
                    "a/x.rs",
                    "#[cfg(test)] mod tests { use super::super::y::Y; }",
                ),
                ("a/y.rs", "use super::x::X;"),
            ],
            "",
        ),
        (
            "what siblings share is in their parent",
            &[
                ("a/mod.rs", "mod x; use x::X;"),
                ("a/x.rs", "use super::Shared;"),
            ],
            "",
        ),
    ];
    for (why, files, expected) in table {
        assert_eq!(said_of(files), expected, "{why}");
    }
}
