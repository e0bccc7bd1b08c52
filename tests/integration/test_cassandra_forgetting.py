"""Forgetting a device on a real server, with two journals that may ship at any time."""

import pytest
from fakes import call_row
from fleets import NOON_MS, Member

from bridge.errors import Unavailable
from bridge.storage.log.call_log import HOUR_MS, Span

NOON = NOON_MS // HOUR_MS
BEFORE_MS = NOON_MS + HOUR_MS
HALF_PAST_MS = NOON_MS + HOUR_MS // 2


@pytest.fixture
def members(keyspace, connect, tmp_path):
    """Two bridges of one installation."""
    session = connect(keyspace)
    members = [Member(tmp_path / name, session) for name in ("a", "b")]
    yield members
    for member in members:
        member.close()


def calls(start, count=6, device="gw-7", first_ms=NOON_MS):
    """Calls of a device in the first half of an hour."""
    return [
        call_row(start + n)._replace(device=device, called_at_ms=first_ms + n) for n in range(count)
    ]


def nothing_is_told(member, device="gw-7"):
    """Say whether no question tells of a device."""
    return (
        member.told(device) == []
        and member.log.count(device, Span()) == 0
        and member.log.count(device, Span(NOON_MS + 1, NOON_MS + 3)) == 0
        and member.log.hours(device, Span()) == {}
    )


def tables_without(cql, device="gw-7"):
    """Say whether nothing but the wish to forget it is stored of a device."""
    tables = cql.tables()
    assert [row["device_id"] for row in tables.pop("forgotten")] == [device]
    return device not in str(tables)


def test_what_was_shipped_is_deleted_and_others_keep_theirs(members, cql):
    """Whoever has shipped it; another device's calls and counts stay."""
    a, b = members
    for n, member in enumerate(members):
        member.record(*calls(100 * n), *calls(100 * n + 50, device="gw-8"))
        member.ship()
    a.forgetting.forget("gw-7", BEFORE_MS)
    assert nothing_is_told(a)
    assert nothing_is_told(b)
    assert tables_without(cql)
    assert len(b.told("gw-8")) == b.log.count("gw-8", Span()) == 12
    assert b.log.hours(None, Span())[NOON]["ham"] >= 12


def test_what_waits_in_the_outbox_is_not_told_nor_shipped(members, cql):
    """Neither where it was forgotten nor at the other bridge, who was not told."""
    a, b = members
    a.record(*calls(0))
    b.record(*calls(100))
    a.forgetting.forget("gw-7", BEFORE_MS)
    assert nothing_is_told(a)
    assert nothing_is_told(b)
    a.ship()
    b.ship()
    assert nothing_is_told(a)
    assert nothing_is_told(b)
    assert tables_without(cql)
    assert a.unshipped == b.unshipped == 0
    assert not b.notebook.unsent_counts()


def test_what_the_device_calls_afterwards_is_told(members):
    """In the very hour in which it was forgotten, too."""
    a, b = members
    for n, member in enumerate(members):
        member.record(*calls(100 * n))
        member.ship()
    a.forgetting.forget("gw-7", HALF_PAST_MS)
    for n, member in enumerate(members):
        member.record(*calls(200 + 100 * n, count=2, first_ms=HALF_PAST_MS))
    assert len(a.told("gw-7")) == a.log.count("gw-7", Span()) == 2
    for member in members:
        member.ship()
    assert len(a.told("gw-7")) == a.log.count("gw-7", Span()) == 4
    assert b.log.hours("gw-7", Span()) == {NOON: {"ham": 4}}


def test_sums_that_were_not_sent_yet_do_not_come_back(members, cql, monkeypatch):
    """A bridge that was cut off between its rows and their sums."""
    a, b = members
    b.record(*calls(0))
    with monkeypatch.context() as patch:
        patch.setattr(b.shipper, "_send_counts", _cut_off)
        with pytest.raises(Unavailable):
            b.ship()
    a.forgetting.forget("gw-7", BEFORE_MS)
    b.ship()
    assert nothing_is_told(a)
    assert tables_without(cql)
    assert not b.notebook.unsent_counts()


def test_a_bridge_cut_off_while_it_deletes_deletes_later(members, cql, monkeypatch):
    """It takes note at the end only: until then the page is due again."""
    a, b = members
    b.record(*calls(0))
    a.forgetting.forget("gw-7", BEFORE_MS)
    with monkeypatch.context() as patch:
        patch.setattr(b.forgetting, "_delete", _cut_off)
        with pytest.raises(Unavailable):
            b.ship()
    b.notebook.close()
    b.restart()
    b.ship()
    assert nothing_is_told(b)
    assert tables_without(cql)


def test_forgetting_asked_again_after_an_outage_is_done(members, cql, monkeypatch):
    """Half done it tells nothing already; asked again it deletes all."""
    a, _ = members
    a.record(*calls(0))
    a.ship()
    with monkeypatch.context() as patch:
        patch.setattr(a.forgetting, "_delete", _cut_off)
        with pytest.raises(Unavailable):
            a.forgetting.forget("gw-7", BEFORE_MS)
    assert a.told("gw-7") == []
    a.forgetting.forget("gw-7", BEFORE_MS + 1)
    assert nothing_is_told(a)
    assert tables_without(cql)


def test_a_call_set_aside_is_forgotten_too(members):
    """A dead letter holds what the device had sent."""
    a, _ = members
    a.record(call_row(1)._replace(message_id="x" * 70_000, called_at_ms=NOON_MS))
    a.ship()
    assert a.notebook.dead_letters == 1
    a.forgetting.forget("gw-7", BEFORE_MS)
    assert a.notebook.dead_letters == 0


def _cut_off(*_):
    raise Unavailable("cut off")
