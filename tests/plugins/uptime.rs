//! A compiled metric plugin: days since the host was started, from `/proc/uptime`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a plugin prints, and is no part of the agent"
)]

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

const SECONDS_OF_A_DAY: f64 = 86_400.0;

fn main() -> Result<(), Box<dyn Error>> {
    if env::var("MACKEREL_AGENT_PLUGIN_META").is_ok_and(|meta| meta == "1") {
        println!("# mackerel-agent-plugin");
        println!(
            r#"{{"graphs":{{"uptime":{{"label":"Uptime","unit":"float","metrics":[{{"name":"days","label":"days"}}]}}}}}}"#
        );
        return Ok(());
    }
    let text = fs::read_to_string("/proc/uptime")?;
    let seconds: f64 = text.split(' ').next().unwrap_or_default().parse()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    println!("uptime.days\t{}\t{now}", seconds / SECONDS_OF_A_DAY);
    Ok(())
}
