//! jsonlog (PostgreSQL 15 and later): one object a line, keys left out when null
//! (`src/backend/utils/error/jsonlog.c`; the same keys on 15, 16, 17 and 18).

use serde::Deserialize;

use super::{Broken, Entry, VirtualXid};
use crate::instant;
use crate::lines::json_error;

#[derive(Deserialize)]
struct Object {
    timestamp: String,
    user: Option<String>,
    dbname: Option<String>,
    pid: Option<u32>,
    session_id: Option<String>,
    line_num: Option<u64>,
    ps: Option<String>,
    vxid: Option<String>,
    error_severity: Option<String>,
    state_code: Option<String>,
    message: Option<String>,
    detail: Option<String>,
    statement: Option<String>,
    application_name: Option<String>,
    backend_type: Option<String>,
}

/// Reads one line.
pub(crate) fn parse(line: u64, text: &str) -> Result<Entry, Broken> {
    let object: Object = serde_json::from_str(text).map_err(|error| {
        let expected = format!(
            "a JSON object with \"timestamp\", \"error_severity\" and \"message\" ({})",
            json_error(&error)
        );
        Broken::new(line, expected, text)
    })?;
    let stamp = instant::parse(&object.timestamp).ok_or_else(|| {
        Broken::new(line, "a time such as 2026-11-21 07:48:24.139 UTC in \"timestamp\"", &object.timestamp)
    })?;
    let severity = object.error_severity.ok_or_else(|| Broken::new(line, "an \"error_severity\"", text))?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Entry {
        at_us: stamp.us,
        zone_known: stamp.zone_known,
        user: filled(object.user),
        database: filled(object.dbname),
        application: filled(object.application_name),
        pid: object.pid,
        session: filled(object.session_id),
        session_line: object.line_num,
        command_tag: filled(object.ps),
        virtual_xid: object.vxid.as_deref().and_then(VirtualXid::parse),
        severity,
        sqlstate: filled(object.state_code),
        message: object.message.unwrap_or_default(),
        detail: object.detail,
        query: filled(object.statement),
        backend_type: filled(object.backend_type),
    })
}
