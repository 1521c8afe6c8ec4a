"""Addresses and networks: literals are checked, IPv4 in IPv6 is IPv4, families never mix."""

import pytest

from sensor.rules import net


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
        ("10.1.2.3/8", "10.255.0.1", "11.0.0.1"),
        ("192.168.1.1/32", "192.168.1.1", "192.168.1.2"),
        ("0.0.0.0/0", "8.8.8.8", "2001:db8::1"),
        ("10.0.0.0/8", "::ffff:10.1.1.1", "::ffff:11.1.1.1"),
        ("::ffff:10.0.0.0/104", "10.1.1.1", "11.0.0.1"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        ("::1/128", "::1", "::2"),
        ("2001:db8::/32", "2001:db8::1", "10.0.0.1"),
    ],
)
def test_a_network_has_its_addresses_and_no_others(network, inside, outside):
    networks = net.Networks([net.literal_network(network)])
    assert net.address(inside) in networks
    assert net.address(outside) not in networks


def test_many_networks_are_one_test():
    networks = net.Networks([net.literal_network(f"10.{number}.0.0/16") for number in range(200)])
    assert net.address("10.199.1.1") in networks
    assert net.address("10.200.1.1") not in networks


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/x", "::/0", "::/129",
                                  "a/8", "10.0.0.0/8/8", "::ffff:10.0.0.0/95",
                                  "10.0.0.0/²"])  # fmt: skip
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match=r"network|address"):
        net.literal_network(text)


@pytest.mark.parametrize("text", ["", "localhost", "10.0.0.256", "1.2.3", "::g", "10.0.0.1/32", "::ffff:1.2.3.4x"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="not a valid IP address"):
        net.literal_address(text)


def test_an_address_in_a_rule_means_what_it_means_in_an_event():
    assert net.literal_address("::ffff:10.0.0.1") == net.literal_address("10.0.0.1") == net.address("10.0.0.1")


def test_an_address_from_an_event_that_is_none_is_missing():
    assert net.address("nonsense") is None
    assert None not in net.Networks([net.literal_network("0.0.0.0/0")])
