"""The topic grammar: what is built is read back, and anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.topics import Topics, is_device_id

DEVICE_IDS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
LEVELS = st.from_regex(r"[^/+#$\x00]{1,12}", fullmatch=True)
ROOTS = st.lists(LEVELS, min_size=1, max_size=3).map("/".join)


@given(root=ROOTS, device=DEVICE_IDS)
def test_an_input_topic_gives_its_device_back(root, device):
    """Whatever the root, building and parsing an input are inverse."""
    topics = Topics(root)
    assert topics.device_of_input(topics.input(device)) == device


@given(root=ROOTS, instance=DEVICE_IDS, leaf=st.sampled_from(["state", "health", "info"]))
def test_an_instance_topic_gives_its_instance_back(root, instance, leaf):
    """Whatever the root, building and parsing a bridge's own topic are inverse."""
    topics = Topics(root)
    assert topics.instance_of(topics.instance(instance, leaf), leaf) == instance


@given(verb=DEVICE_IDS)
def test_a_request_topic_gives_its_verb_back(verb):
    """A question's verb is what stands behind `request`."""
    topics = Topics("spam/v1")
    assert topics.verb_of_request(topics.request(verb)) == verb


@given(topic=st.text(max_size=80))
def test_no_other_topic_is_an_input(topic):
    """What parses as an input is exactly what is built as one."""
    topics = Topics("spam/v1")
    device = topics.device_of_input(topic)
    assert device is None or topics.input(device) == topic


@given(name=st.text(max_size=70))
def test_a_device_id_of_odd_characters_or_length_is_refused(name):
    """Only letters, digits, `_` and `-`, 1 to 64 of them, of ASCII."""
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    assert is_device_id(name) == (set(name) <= allowed and 1 <= len(name) <= 64)


@pytest.mark.parametrize(
    "topic",
    [
        "spam/v1/devices//in",
        "spam/v1/devices/a/b/in",
        "spam/v1/devices/gw 7/in",
        "spam/v1/devices/gw-7\n/in",
        "spam/v1/devices/gerät/in",
        f"spam/v1/devices/{'x' * 65}/in",
        "spam/v1/devices/gw-7/out",
        "spam/v1/devices/gw-7/in/in",
        "spam/v2/devices/gw-7/in",
        "xspam/v1/devices/gw-7/in",
        "spam/v1/devices/in",
        "",
    ],
)
def test_a_topic_that_is_no_devices_input_is_refused(topic):
    """Neither a neighbour of an input topic nor an odd device id passes."""
    assert Topics("spam/v1").device_of_input(topic) is None


def test_a_share_changes_the_filter_and_no_topic():
    """A shared subscription is asked for by its group; devices see no difference."""
    alone, shared = Topics("spam/v1"), Topics("spam/v1", "group")
    assert alone.inputs == "spam/v1/devices/+/in"
    assert shared.inputs == "$share/group/spam/v1/devices/+/in"
    assert shared.input("gw-7") == alone.input("gw-7")


def test_the_topics_are_those_of_the_contract():
    """Users and dashboards rely on these names."""
    topics = Topics("spam/v1")
    assert topics.output("gw-7") == "spam/v1/devices/gw-7/out"
    assert topics.rejections("gw-7") == "spam/v1/devices/gw-7/err"
    assert topics.presence("gw-7") == "spam/v1/devices/gw-7/presence"
    assert topics.quota("gw-7") == "spam/v1/devices/gw-7/quota"
    assert topics.instance("bridge-1", "state") == "spam/v1/bridge/instances/bridge-1/state"
    assert topics.corrected == "spam/v1/bridge/corrected"
    assert topics.request("calls") == "spam/v1/bridge/request/calls"
    assert topics.response("calls") == "spam/v1/bridge/response/calls"
