"""Which servers may be sent a key: hosts are compared as texts, and no name is looked up."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
import requests
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from r2po.errors import InputError
from r2po.llm.key_hosts import check_base_url, is_loopback, may_have_key, origin_of, plain_host

HOME = "https://api.openai.com/v1"
SECRET = "hunter2-8q1f"


def may(url: str, base_url: str = "", hosts: str = "") -> bool:
    """Whether a key of OpenAI's would be sent: an address that is refused gets nothing either."""
    try:
        return may_have_key(check_base_url(url, "base_url"), HOME, base_url, hosts)
    except InputError:
        return False


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "https://API.OpenAI.com/v1/",
        "https://api.openai.com./v1",
        "https://api.openai.com:443",
        "http://localhost:8000/v1",
        "http://LOCALHOST.:8000",
        "http://127.0.0.1:8000/v1",
        "http://127.9.8.7",
        "http://[::1]:8000/v1",
        "http://[0:0:0:0:0:0:0:1]/v1",
        "http://[::ffff:127.0.0.1]/v1",
    ],
)
def test_the_providers_own_host_and_this_machine_are_sent_keys(url: str) -> None:
    assert may(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.openai.com/v1",  # without TLS
        "https://api.openai.com:8443/v1",
        "https://api.anthropic.com/v1",  # another provider's
        "https://openai.com",
        "https://eu.api.openai.com",
        "https://api.openai.com.evil.example",
        "https://api-openai.com",
        "https://api.openai.com..",
        "https://evil.example/api.openai.com",
        "https://evil.example/?api.openai.com",
        "https://evil.example/#@api.openai.com",
        "https://api.openai.com@evil.example/v1",
        "https://api.openai.com:443@evil.example/v1",
        "https://api.openai.com%40evil.example/v1",
        "https://api.openai.com%2eevil.example",
        "https://evil.example\\@api.openai.com",
        "https://api.openai.com\\.evil.example",
        "https://api.openai.com\\@evil.example",
        "https:///api.openai.com",
        "https:\\\\api.openai.com",
        "https:api.openai.com",
        "//api.openai.com",
        "api.openai.com",
        "ftp://api.openai.com",
        "https://api.openai.com\t.evil.example",
        "https://api.openai\u3002com",  # an ideographic full stop
        "https://\u0430pi.openai.com",  # a Cyrillic letter
        "https://xn--pi-6kc.openai.com",  # the same in punycode
        "https://\uff41pi.openai.com",  # a full-width letter
        "http://localhost.evil.example",
        "http://evil.localhost",  # not every resolver keeps it here
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1.",
        "http://128.0.0.1",
        "http://0.0.0.0:8000",
        "http://0:8000",
        "http://2130706433",
        "http://017700000001",
        "http://0x7f000001",
        "http://0x7f.1",
        "http://127.1",
        "http://127.0.0.01",
        "http://\u0661\u0662\u0667.0.0.1",  # digits of another script
        "http://[::]",
        "http://[::2]",
        "http://[::ffff:1.2.3.4]",
        "http://[::1%25eth0]",
        "http://[fe80::1%lo]",
        "http://192.168.1.5",
        "http://localhost:0",
        "http://localhost:65536",
        "http://localhost:80:80",
        "http://-localhost",
    ],
)
def test_no_other_address_is_sent_a_key(url: str) -> None:
    assert not may(url)
    assert not may(url, base_url="https://gateway.example/v1", hosts="gateway.example, other.example:8000")


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        ("gw.example", "https://gw.example/v1", True),
        (" a.example ,GW.Example.,", "http://gw.example:8000/v1", True),
        ("gw.example:8000", "http://gw.example:8000/v1", True),
        ("gw.example:443", "https://gw.example", True),
        ("gw.example:8000", "http://gw.example:8001/v1", False),
        ("gw.example:80", "https://gw.example", False),
        ("gw.example", "https://gw.example.evil.example", False),
        ("gw.example", "https://sub.gw.example", False),
        ("192.168.1.5:8000", "http://192.168.1.5:8000", True),
        ("[2001:DB8::1]:8000", "http://[2001:db8:0::1]:8000", True),
        ("2001:db8::1", "http://[2001:db8::1]:9", True),
        ("0.0.0.0", "http://0.0.0.0:8000", True),
    ],
)
def test_hosts_that_the_environment_names(hosts: str, url: str, allowed: bool) -> None:
    assert may(url, hosts=hosts) is allowed


@pytest.mark.parametrize(
    ("base_url", "url", "allowed"),
    [
        ("https://gw.example/v1", "https://GW.example:443/other", True),
        ("https://user:password@gw.example/v1", "https://gw.example/v1", True),
        ("https://gw.example/v1", "http://gw.example/v1", False),
        ("https://gw.example/v1", "http://gw.example:443/v1", False),
        ("https://gw.example/v1", "https://gw.example:8000/v1", False),
        ("https://evil.example@gw.example/v1", "https://evil.example", False),
        ("nonsense", "https://gw.example", False),
        ("http://gw.example:99999", "http://gw.example", False),
    ],
)
def test_the_host_of_the_providers_variable(base_url: str, url: str, allowed: bool) -> None:
    assert may(url, base_url=base_url) is allowed


@pytest.mark.parametrize(
    "entry",
    ["*", "*.example", "https://gw.example", "gw.example:x", "gw.example:0", "gw.example:70000", "a b", "127.1"],
)
def test_an_entry_that_is_no_host_is_named(entry: str) -> None:
    with pytest.raises(InputError, match=r"^R2PO_KEY_HOSTS has .*; expected host or host:port") as caught:
        may_have_key("https://gw.example", HOME, "", f"a.example,{entry}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{SECRET}@gw.example/v1",
        f"https://{SECRET}@gw.example/v1",
        f"https://user:{SECRET}@gw.example@other.example/v1",
        f"https://gw.example\\user:{SECRET}@other.example",
        f"user:{SECRET}@gw.example",
        f"https:/user:{SECRET}@gw.example",
        f"https://user:{SECRET}",
        f"https://gw.example/v1?key={SECRET}",
        f"https://gw.example/v1#{SECRET}",
    ],
)
def test_an_address_with_credentials_is_refused_without_showing_them(url: str) -> None:
    with pytest.raises(InputError) as caught:
        check_base_url(url, "here: base_url")
    assert str(caught.value).startswith("here: base_url is ")
    assert SECRET not in str(caught.value)


LABEL = st.text("abcxyzAZ019-_", min_size=1, max_size=8)
HOSTS = st.one_of(
    st.lists(LABEL, min_size=1, max_size=4).map(".".join),
    st.sampled_from(["api.openai.com", "localhost", "127.0.0.1", "evil.example"]),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
NOISE = st.text("@\\/:?#%.[] \t\u00e9\u3002a0x", max_size=3)
URLS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["http://", "https://", "HTTPS://", "//", "https:/"]),
        NOISE, HOSTS, NOISE, HOSTS | st.just(""), st.sampled_from(["", ":443", ":8000", ":"]), NOISE,
        st.sampled_from(["", "/v1", "/v1/", "/a/../b"]),
    ),
)  # fmt: skip


@given(URLS)
@example("https://api.openai.com\\@evil.example")
@example("https://localhost:80\\@evil.example/v1")
def test_what_is_accepted_is_read_alike_by_all_that_handle_it(url: str) -> None:
    try:
        accepted = check_base_url(url, "base_url")
    except InputError:
        return
    origin = origin_of(accepted)
    assert origin is not None
    sent_to = requests.Request("GET", f"{accepted}/models").prepare().url
    assert sent_to is not None
    for address in (accepted, sent_to):
        dialled = urllib3.util.parse_url(address)
        assert plain_host((dialled.host or "").strip("[]")) == origin.host
        assert (dialled.port or {"http": 80, "https": 443}[dialled.scheme or ""]) == origin.port
        assert urlsplit(address).username is None


@given(URLS)
def test_a_host_gets_a_key_only_if_it_is_one_of_the_few(url: str) -> None:
    """An independent reading: the last host that could be meant, spelled out."""
    if may(url):
        host = re.sub(r":\d+$", "", re.split(r"[/?#]", url.partition("://")[2])[0]).lower().rstrip(".")
        here = re.fullmatch(r"localhost|127(\.(0|[1-9]\d{0,2})){3}|\[(0*:)*0*:0*1\]|\[::ffff:(127\..*|7f.*)\]", host)
        assert here or (host == "api.openai.com" and url.lower().startswith("https://"))


@given(st.lists(LABEL, min_size=1, max_size=3).map(".".join))
def test_more_on_either_side_makes_another_host(more: str) -> None:
    for host in ("localhost", "api.openai.com", "127.0.0.1"):
        assert not may(f"https://{host}.{more}")
        assert not may(f"https://{more}{host}")


@given(st.text(max_size=30))
def test_every_text_is_a_host_in_one_form_or_none(text: str) -> None:
    host = plain_host(text)
    if host is not None:
        assert plain_host(host) == host
        assert host.isascii()
        assert host == host.lower()


@given(st.ip_addresses(v=4))
def test_loopback_is_what_begins_with_127(address: object) -> None:
    assert is_loopback(str(address)) == str(address).startswith("127.")
