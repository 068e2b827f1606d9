//! The configuration file: created, given a key, or kept as it is.

use std::env;
use std::path::PathBuf;

use super::environment;
use super::layout::WRITTEN;
use super::reach::{DIRECTORY, Named};
use super::service::Service;
use super::step::{Owner, Step};
use crate::base;
use crate::base::packed::{packed_file, unpack};
use crate::config::{CONFFILE, Config, NamedFile, Setup, opening};
use crate::settings::key;
use crate::settings::load::{Beside, Loaded, load};
use crate::settings::opening::with_key;
use crate::sys::file;
use crate::sys::log::escaped;
use crate::sys::tree::{There, Tree};

/// The mode of the configuration: readable for root and the group of the agent's user.
const MODE: u32 = 0o640;
/// Maximum number of lines for the user about files that others may write.
const LINES: usize = 10;
/// The content of a new configuration, below the key.
const SAMPLE: &[u8] = packed_file!("../../packaging/mackerel-agent.conf");

/// What is done with the configuration.
pub(super) struct Conf {
    pub(super) steps: Vec<Step>,
    /// Whether it existed and has plugins. They may have been written for an agent that runs as
    /// root.
    pub(super) has_plugins: bool,
    /// The state directory named in it.
    pub(super) root: Option<String>,
    /// Files that the agent must be able to read because of it.
    pub(super) named: Vec<Named>,
    /// Whether only root can have written the configuration.
    pub(super) is_roots: bool,
    /// A line for the user about each file that others may write.
    pub(super) left: Vec<String>,
}

/// Decides what is done with the configuration of this tree.
///
/// Fails if it is invalid, and if an API key is needed, and neither it nor any other source, such as
/// the files of the service, has one.
pub(super) fn plan(tree: &Tree, setup: &Setup, service: Service) -> Result<Conf, String> {
    let given = key::given(setup.apikey_file.as_deref(), |name| env::var_os(name))
        .map_err(|error| base::report(&error))?;
    // Also writes a copy that only root can read. By it, an edited configuration is recognised
    // later.
    let file = |content: Vec<u8>| {
        let copy = Step::File(
            WRITTEN.to_owned(),
            content.clone().into(),
            0o600,
            Owner::Root,
        );
        let conf = Step::File(CONFFILE.to_owned(), content.into(), MODE, Owner::Group);
        vec![copy, conf]
    };
    let no_key = || {
        format!(
            "there is no API key: export MACKEREL_APIKEY, or have it in a file and give \
             -apikey-file, or write it into {CONFFILE}"
        )
    };
    if tree.there(CONFFILE) == There::Nothing {
        let opening = match given {
            Some(key) => opening(&key, ""),
            None if environment::has_key(tree, service) => String::new(),
            None => return Err(no_key()),
        };
        let text = opening + &unpack(SAMPLE);
        return Ok(Conf {
            steps: file(text.into_bytes()),
            has_plugins: false,
            root: None,
            named: Vec::new(),
            is_roots: true,
            left: Vec::new(),
        });
    }
    let path = tree.path(CONFFILE);
    let Loaded {
        config, included, ..
    } = loaded(tree)?;
    let mut left = open_to_others(tree, &included);
    let is_roots = left.is_empty();
    let has_key = !config.apikey.is_empty() || config.apikey_file.is_some();
    let needs_none =
        || config.clone().require_apikey().is_ok() || environment::has_key(tree, service);
    let steps = match (has_key || (given.is_none() && needs_none()), given) {
        (true, _) if tree.is_fixed(CONFFILE) => {
            vec![Step::Own(CONFFILE.to_owned(), MODE, Owner::Group)]
        }
        (true, _) => Vec::new(),
        (false, Some(key)) => {
            let old = tree.read(CONFFILE).map_err(|error| base::report(&error))?;
            file(with_key(&path, &old.unwrap_or_default(), &key, "")?)
        }
        (false, None) => return Err(no_key()),
    };
    left.truncate(LINES);
    Ok(Conf {
        steps,
        has_plugins: !(config.metric_plugins.is_empty()
            && config.check_plugins.is_empty()
            && config.metadata_plugins.is_empty()),
        root: config.root.to_str().filter(|_| is_roots).map(str::to_owned),
        named: named(tree, &config, &included),
        is_roots,
        left,
    })
}

/// The configuration of this tree. Fails with all its problems if it is invalid.
pub(super) fn loaded(tree: &Tree) -> Result<Loaded, String> {
    let beside = Beside {
        top: (!tree.is_host()).then(|| tree.path("/")),
        ..Beside::default()
    };
    let loaded = load(&tree.path(CONFFILE), &beside).checked();
    loaded.map_err(|error| error.to_string())
}

/// The configuration by which root connects to servers: what was loaded, if root alone can have
/// written all of it, else the defaults. A `ca_file` that this process cannot read is left out: the
/// sandbox of the upgrade's unit may hide it.
pub(super) fn of_root(tree: &Tree, loaded: Loaded) -> Config {
    let Loaded {
        mut config,
        included,
        ..
    } = loaded;
    if !open_to_others(tree, &included).is_empty() {
        return Config::default();
    }
    let is_readable = |named: &NamedFile| file::read(&named.path).is_ok();
    config.ca_file = config.ca_file.filter(is_readable);
    config
}

/// A line about each file of the configuration that users other than root may write.
fn open_to_others(tree: &Tree, included: &[PathBuf]) -> Vec<String> {
    let mut files = vec![Some(CONFFILE.to_owned())];
    for path in included {
        files.push(tree.inside(path));
    }
    let mut lines = Vec::new();
    for path in files {
        if path.as_ref().is_some_and(|path| tree.is_protected(path)) {
            continue;
        }
        let path = path.unwrap_or_else(|| "an included file".to_owned());
        let path = escaped(&path);
        lines.push(format!(
            "{path}: others than root may write it, or its directory; rights to the files that the \
             configuration names stay as they are until chown and chmod go-w end that"
        ));
    }
    lines
}

/// The configuration and the files it names. Included files whose path is not UTF-8 are left out.
fn named(tree: &Tree, config: &Config, included: &[PathBuf]) -> Vec<Named> {
    // The file itself gets its owner in any case; the target of a link does not.
    let own = match tree.there(CONFFILE) {
        There::Link(_) => CONFFILE,
        _ => DIRECTORY,
    };
    let mut all = vec![Named {
        path: own.to_owned(),
        is_found: false,
    }];
    let files = [&config.apikey_file, &config.ca_file];
    for file in files.into_iter().flatten() {
        let path = file.path.to_string_lossy().into_owned();
        let is_found = false;
        all.push(Named { path, is_found });
    }
    for path in included {
        if let Some(path) = tree.inside(path) {
            let is_found = true;
            all.push(Named { path, is_found });
        }
    }
    all
}
