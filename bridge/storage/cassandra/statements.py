"""Every statement that is prepared, as constants: what is read and written, at a glance."""

from typing import Final

READ_VERDICTS: Final = (
    "SELECT text_key, label, score, scores FROM verdict_cache"
    " WHERE model_version = ? AND text_key IN ?"
)
WRITE_VERDICT: Final = (
    "INSERT INTO verdict_cache (model_version, text_key, label, score, scores, stored_at)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)

WRITE_CALL: Final = (
    "INSERT INTO calls_by_device_hour (device_id, hour, called_at, message_id, outcome, label,"
    " score, scores, model_version, cached, problem, device_ts, text_key, text)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
READ_CALLS: Final = (
    "SELECT message_id, called_at, outcome, label, score, model_version, cached, text"
    " FROM calls_by_device_hour WHERE device_id = ? AND hour = ?"
    " AND (called_at, message_id) >= (?, ?) AND (called_at, message_id) < (?, ?)"
)
DELETE_CALLS: Final = (
    "DELETE FROM calls_by_device_hour WHERE device_id = ? AND hour = ? AND called_at < ?"
)

WRITE_HOUR: Final = "INSERT INTO hours_by_device (device_id, hour) VALUES (?, ?)"
READ_HOURS: Final = (
    "SELECT hour FROM hours_by_device WHERE device_id = ? AND hour >= ? AND hour < ?"
)
DELETE_HOUR: Final = "DELETE FROM hours_by_device WHERE device_id = ? AND hour = ?"

WRITE_COUNT: Final = (
    "INSERT INTO counts_by_hour (hour, journal, device_id, label, calls) VALUES (?, ?, ?, ?, ?)"
)
READ_COUNTS: Final = "SELECT journal, device_id, label, calls FROM counts_by_hour WHERE hour = ?"
# Within one partition, where filtering costs the server one pass and the client nothing.
READ_DEVICE_COUNTS: Final = (
    "SELECT journal, device_id, label, calls FROM counts_by_hour"
    " WHERE hour = ? AND device_id = ? ALLOW FILTERING"
)
DELETE_COUNTS: Final = "DELETE FROM counts_by_hour WHERE hour = ? AND journal = ? AND device_id = ?"

WRITE_CORRECTION: Final = (
    'INSERT INTO corrections (text_key, label, "by", at, text) VALUES (?, ?, ?, ?, ?)'
)
ALL_CORRECTIONS: Final = 'SELECT text_key, label, "by", at, text FROM corrections'

WRITE_FORGOTTEN: Final = "INSERT INTO forgotten (device_id, before) VALUES (?, ?)"
READ_FORGOTTEN: Final = "SELECT device_id, before FROM forgotten WHERE device_id IN ?"
ALL_FORGOTTEN: Final = "SELECT device_id, before FROM forgotten"
