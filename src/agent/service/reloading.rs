//! How the agent changes to another configuration while it runs.

use std::borrow::Cow;

use super::Agent;
use crate::agent::exporters::want_checks;
use crate::base::clock::Moment;
use crate::base::name_map::NameMap;
use crate::config::Config;
use crate::deliver::api::Api;
use crate::deliver::message::PosterCommand;
use crate::plugins::output::Output;
use crate::render::mackerel;
use crate::settings::apply::set_level;
use crate::settings::connection::link;
use crate::settings::organizations::{config_of, organizations};
use crate::settings::reload;
use crate::sys::http::cancel::Cancellable;
use crate::sys::log;

impl Agent<'_> {
    /// Reloads the configuration, unless it is invalid, and has the host described in any case.
    pub(super) fn reload(&mut self, now: Moment) {
        self.notify.reloading();
        let taken = reload::checked(self.flags).and_then(|config| self.configure(config, now));
        match taken {
            Ok(()) => log::info!("configuration reloaded"),
            Err(why) => {
                log::warn!("failed to reload: configtest failed: {why}; nothing is changed");
            }
        }
        self.destinations.order_all(|| PosterCommand::Describe);
        self.notify.ready();
        self.notify.status(&self.text());
    }

    /// Changes to the configuration `new` completely or not at all.
    ///
    /// Fails if no connection to an API can be prepared with its settings.
    fn configure(&mut self, new: Config, now: Moment) -> Result<(), String> {
        let (config, staying) = reload::as_far_as_possible(&self.config, new);
        let exporters = self.exporters.prepare(&config)?;
        let mut orders = Vec::new();
        let all = organizations(&config);
        for (at, destination) in self.destinations.left() {
            let Some(organization) = all.get(at) else {
                continue;
            };
            let own = config_of(&config, *organization);
            // Always new: certificates may have changed where their path has not.
            let link = Cancellable::new(link(&own)?, destination.cancel.clone());
            let api = Api::new(Box::new(link));
            orders.push((at, PosterCommand::Configure(api, Box::new(own))));
        }
        if !staying.is_empty() {
            let staying = staying.join(", ");
            log::warn!("changed, but needs a restart to take effect: {staying}");
        }
        set_level(&config);
        self.measure.configure(&config);
        self.exporters.configure(exporters, now);
        self.plugins.configure(&plugin_config(&config), now);
        if config.diagnostic && !self.config.diagnostic {
            let graphs = mackerel::agent::graphs();
            self.destinations.output(Output::Graphs(graphs));
        }
        if config.container.details && !self.config.container.details {
            let graphs = mackerel::container::graphs();
            self.destinations.output(Output::Graphs(graphs));
        }
        for (at, order) in orders {
            self.destinations.order(at, order);
        }
        if let Some(latest) = &mut self.latest {
            let plugins = &mut self.plugins;
            latest.keep(|id| plugins.name_of(id).is_some());
        }
        self.config = config;
        Ok(())
    }
}

/// The configuration of the plugins that are run: without the API, metadata has no destination, and
/// checks only one over OTLP.
pub(in crate::agent) fn plugin_config(config: &Config) -> Cow<'_, Config> {
    if config.mackerel {
        return Cow::Borrowed(config);
    }
    let mut config = config.clone();
    config.metadata_plugins = NameMap::new();
    if !want_checks(&config.otlp) {
        config.check_plugins = NameMap::new();
    }
    Cow::Owned(config)
}
