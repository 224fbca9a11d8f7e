"""Alerts and flows of two sets of records, laid side by side."""

from collections import Counter

# Counted and compared by their number only: what they say is shown by the alerts.
COUNTED = ("http", "dns", "tls", "smtp", "ssh", "fileinfo", "anomaly")


def _tuple(record):
    # Fragments of a datagram may come in any order; what is compared does not depend on it.
    vlan = tuple(record.get("vlan", ()))
    return (record.get("proto"), record.get("src_ip"), record.get("src_port"),
            record.get("dest_ip"), record.get("dest_port"), vlan)


def alerts(records):
    return Counter((record["alert"]["signature_id"], *_tuple(record))
                   for record in records if record["event_type"] == "alert")


def flows(records):
    """Flows with what they came to in each direction."""
    return Counter((*_tuple(record), *(record["flow"][name] for name in (
        "pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient")))
        for record in records if record["event_type"] == "flow")


def flow_ends(records):
    """Flows by their two ends, whichever way round."""
    found = Counter()
    for record in records:
        if record["event_type"] == "flow":
            one = _tuple(record)
            sides = sorted([(one[1], one[2] or 0), (one[3], one[4] or 0)])
            found[(one[0], *sides, one[5])] += 1
    return found


def totals(records):
    """Flows, packets and bytes up and down."""
    found = [0] * 5
    for record in records:
        if record["event_type"] == "flow":
            flow = record["flow"]
            parts = (1, flow["pkts_toserver"], flow["pkts_toclient"], flow["bytes_toserver"],
                     flow["bytes_toclient"])
            found = [a + b for a, b in zip(found, parts)]
    return found


def kinds(records):
    return Counter(record["event_type"] for record in records
                   if record["event_type"] in COUNTED)


def differences(live, file):
    """What live capture saw otherwise than the reading of the file, in words."""
    found = []
    for name, of in (("alert", alerts), ("flow", flows), ("record", kinds)):
        mine, theirs = of(live), of(file)
        for sign, rest in (("only live", mine - theirs), ("only in the file", theirs - mine)):
            if rest:
                some = next(iter(rest.items()))
                found.append(f"{sum(rest.values())} {name}s {sign}, e.g. {some[0]}")
    return found


def split_flows(live, file):
    """Flows that ended more than once live and once in the file: two workers had a part each."""
    return sum((flow_ends(live) - flow_ends(file)).values())
