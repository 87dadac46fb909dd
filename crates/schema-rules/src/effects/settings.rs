//! `SET` and `RESET`.
//!
//! Source: `src/backend/utils/misc/guc.c` and `guc_tables.c`. Which setting each version knows, and of which type it
//! is, stands in `data/settings.txt`. A name with a dot belongs to an extension and may be anything.

use std::rc::Rc;

use sql_syntax::ast::SetVariable;

use super::run::{Outcome, Run};
use crate::catalog::Name;
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

/// One line for each setting: its name, its type, who may set it, and the versions that have it.
static SETTINGS: &str = include_str!("../../data/settings.txt");

/// A setting of the server's.
struct Setting {
    kind: &'static str,
    in_session: bool,
}

/// The setting of this name, if the version has it.
fn setting(name: &str, version: PgVersion) -> Option<Setting> {
    let line =
        SETTINGS.lines().find(|line| line.split(' ').next().is_some_and(|n| n.eq_ignore_ascii_case(name)))?;
    let mut words = line.split(' ').skip(1);
    let (kind, who) = (words.next()?, words.next()?);
    while let (Some(word), Some(major)) = (words.next(), words.next()) {
        let major: u32 = major.parse().ok()?;
        let outside = if word == "since" { version.major() < major } else { version.major() > major };
        if outside {
            return None;
        }
    }
    Some(Setting { kind, in_session: who == "session" })
}

/// What may follow the number of a setting that is a time or a size.
const UNITS: [&str; 12] = ["us", "ms", "s", "min", "h", "d", "B", "kB", "MB", "GB", "TB", ""];

impl Run<'_> {
    pub(super) fn set(&mut self, statement: &SetVariable) -> Outcome {
        let values = statement.values.as_deref().unwrap_or(&[]);
        self.known_setting(&statement.name, values)?;
        match statement.name.as_str() {
            "search_path" => self.set_search_path(values),
            "timezone" => {
                self.session.timezone_is_utc = values.iter().all(|v| is_utc(v));
            }
            "session_replication_role" => {
                self.session.is_replica = values.first().is_some_and(|v| v.eq_ignore_ascii_case("replica"));
            }
            "role" | "session_authorization" => {
                if let [role] = values
                    && !matches!(role.as_str(), "none" | "default")
                {
                    self.role_exists(role)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn known_setting(&self, name: &str, values: &[String]) -> Outcome {
        if name.contains('.') {
            return Ok(());
        }
        let Some(setting) = setting(name, self.version) else {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("unrecognized configuration parameter \"{name}\""),
            ));
        };
        if !setting.in_session {
            return Err(SqlError::new(
                sqlstate::CANT_CHANGE_RUNTIME_PARAM,
                format!("parameter \"{name}\" cannot be changed now"),
            ));
        }
        let fits = |value: &String| match setting.kind {
            "integer" | "real" => is_quantity(value),
            "boolean" => super::default_value::is_boolean(value),
            _ => true,
        };
        match values {
            [value] if !fits(value) => {
                let message = if setting.kind == "boolean" {
                    format!("parameter \"{name}\" requires a Boolean value")
                } else {
                    format!("invalid value for parameter \"{name}\": \"{value}\"")
                };
                Err(SqlError::new(sqlstate::INVALID_PARAMETER_VALUE, message))
            }
            _ => Ok(()),
        }
    }

    fn set_search_path(&mut self, values: &[String]) {
        let names = values.iter().flat_map(|v| v.split(',')).map(|v| v.trim().trim_matches('"'));
        let path: Vec<Name> =
            names.filter(|n| !n.is_empty() && *n != "$user" && *n != "pg_catalog").map(Name::from).collect();
        self.session.search_path = if values.is_empty() { Rc::from(["public".into()]) } else { path.into() };
    }

    pub(super) fn reset(&mut self, name: Option<&str>) -> Outcome {
        if let Some(name) = name {
            self.known_setting(name, &[])?;
        }
        if name.is_none_or(|n| n == "search_path") {
            self.session.search_path = Rc::from(["public".into()]);
        }
        if name.is_none_or(|n| n == "timezone") {
            self.session.timezone_is_utc = true;
        }
        Ok(())
    }
}

/// A number, in decimal or hexadecimal digits, with a unit or without.
fn is_quantity(text: &str) -> bool {
    let text = text.trim().trim_start_matches(['+', '-']);
    let end = text
        .find(|c: char| {
            !(c.is_ascii_digit()
                || matches!(c, '.' | 'x' | 'X')
                || c.is_ascii_hexdigit() && text.starts_with("0x"))
        })
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let exponent =
        unit.trim_start_matches(['e', 'E', '+', '-']).trim_start_matches(|c: char| c.is_ascii_digit());
    let unit = if unit.starts_with(['e', 'E']) { exponent } else { unit };
    number.starts_with(|c: char| c.is_ascii_digit() || c == '.') && UNITS.contains(&unit.trim())
}

fn is_utc(zone: &str) -> bool {
    // Zones whose offset is and always was zero (`TimestampTimestampTzRequiresRewrite` asks the zone for that).
    matches!(
        zone.trim_matches('\'').to_ascii_uppercase().as_str(),
        "UTC" | "GMT" | "ETC/UTC" | "ETC/GMT" | "UCT" | "ZULU" | "ETC/UCT" | "ETC/ZULU" | "UNIVERSAL" | "0"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_known_from_the_version_that_brought_it() {
        assert!(setting("transaction_timeout", PgVersion::V16).is_none());
        assert!(setting("transaction_timeout", PgVersion::V17).is_some_and(|s| s.in_session));
        assert!(setting("lock_timeout", PgVersion::V12).is_some_and(|s| s.kind == "integer"));
        assert!(setting("timezone", PgVersion::V12).is_some());
        assert!(setting("wal_level", PgVersion::V12).is_some_and(|s| !s.in_session));
    }

    #[test]
    fn a_quantity_is_a_number_with_a_unit_of_the_servers() {
        for good in ["0", "5000", "5s", "1.5h", " 10 ms", "-1", "0x10", "64kB", "1e3"] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in ["abc", "", "5 parsecs", "s5", "5sec"] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }
}
