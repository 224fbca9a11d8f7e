// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 OR MIT
/*
 * Decides about each frame of a NIC before the kernel's network stack sees it: to a socket of
 * the queue that it came in on, with the hash that says which worker it belongs to; or, for
 * flows that need no more inspection and for shed load, counted and away.
 *
 * Headers are read, and the hash is made, in the very same way as in src/header.rs,
 * src/tunnel.rs and src/hash.rs: whoever changes a rule here changes it there.
 *
 * Functions that are not static are verified once by themselves, whoever calls them. That is
 * what keeps tunnels within tunnels within the verifier's limits, without anything that is newer
 * than Linux 5.15.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* How many bytes from the outermost IP header on are looked at, and before it at most. */
#define REACH 1024
#define FARTHEST (REACH + 64)
#define TAGS 3
#define LABELS 6
#define EXTENSIONS 8
#define DEPTH 4
#define QUEUES 1024

enum protocol {
	ICMP = 1,
	IPV4 = 4,
	TCP = 6,
	UDP = 17,
	IPV6 = 41,
	FRAGMENT = 44,
	GRE = 47,
	AUTHENTICATION = 51,
	SCTP = 132,
};

enum ether_type {
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	TYPE_TAG = 0x8100,
	TYPE_SERVICE_TAG = 0x88a8,
	TYPE_OLD_TAG = 0x9100,
	TYPE_PPPOE = 0x8864,
	TYPE_MPLS = 0x8847,
	TYPE_MPLS_MULTICAST = 0x8848,
	TYPE_BRIDGE = 0x6558,
	TYPE_ERSPAN = 0x88be,
};

enum tcp_flags {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
};

enum { VXLAN_PORT = 4789, GENEVE_PORT = 6081 };

/* What is asked for, fixed when the program is loaded; branches not asked for go away. */
enum option {
	WITH_PORTS = 1,
	WITH_TAGS = 2,
	INNERMOST = 4,
	SHUNTS = 8,
	SHUNT_TAGS = 16,
	EXCLUDES_IPV4 = 32,
	EXCLUDES_IPV6 = 64,
};

struct settings {
	__u32 seed;
	__u32 magic;
	__u32 options;
	/* XDP actions */
	__u32 empty_slot;
	__u32 excluded;
};

const volatile struct settings settings = {};

/* What stands before a frame that goes to a socket. */
enum metadata_flags { META_TUNNEL = 1, META_FRAGMENT = 2, META_IP = 4 };

struct metadata {
	__u32 magic;
	__u32 hash;
	__u32 flags;
	__u32 reserved;
	/* When it came in, by the monotonic clock. */
	__u64 time;
};

struct counters {
	__u64 received;
	__u64 redirected;
	__u64 empty_slot;
	__u64 shunted;
	__u64 shunted_bytes;
	__u64 control_of_shunted;
	__u64 shed;
	__u64 excluded;
	__u64 not_ip;
	__u64 malformed;
	__u64 no_metadata;
	__u64 fragments;
};

/* The two ends of a flow in an order that both directions have; numbers in host order. */
struct flow_key {
	__u32 low_address[4];
	__u32 high_address[4];
	__u16 low_port;
	__u16 high_port;
	__u16 tags[TAGS];
	__u8 protocol;
	__u8 version;
	/* Tunnels around it: the same flow without them is another one. */
	__u8 tunnels;
	__u8 reserved[3];
};

/* What was dropped of a flow: from the low end to the high one, and back. */
struct shunted {
	__u64 packets[2];
	__u64 bytes[2];
	__u64 last_seen;
	/* TCP flags that were seen, a byte for each direction */
	__u32 tcp_flags;
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counts SEC(".maps");

/* The thousandths of flows that are kept. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} keep SEC(".maps");

/* Shared by all NICs: replaced by the one that exists before the program is loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct flow_key);
	__type(value, struct shunted);
} shunts SEC(".maps");

struct prefix4 {
	__u32 length;
	__be32 address;
};

struct prefix6 {
	__u32 length;
	__be32 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct prefix4);
	__type(value, __u32);
} excluded4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct prefix6);
	__type(value, __u32);
} excluded6 SEC(".maps");

/* What the headers of one IP packet say. */
struct packet {
	/* Words of the addresses in host order; IPv4 has only the first. */
	__u32 source[4];
	__u32 destination[4];
	/* Where the IP header begins, and what follows it and its extensions. */
	__u32 at;
	__u32 transport;
	/* Where the bytes end that are looked at, and where the packet does by its lengths. */
	__u32 limit;
	__u32 end;
	__u8 version;
	__u8 protocol;
	/* A part of a datagram, and one other than the first. */
	__u8 fragment;
	__u8 later;
	__u16 tags[TAGS + 1];
	__u32 tag_count;
	/* Tunnels that it came through. */
	__u32 tunnels;
};

enum found { NOTHING, FOUND, CUT };

/*
 * A pointer of the context. It is declared as 32 bits wide, and a compiler that believes that
 * makes moves of 32 bits, which the verifier refuses.
 */
#define POINTER(context, field)                                                                \
	({                                                                                     \
		void *pointer;                                                                 \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                          \
			     : "=r"(pointer)                                                   \
			     : "r"(context), "i"(__builtin_offsetof(struct xdp_md, field)));   \
		pointer;                                                                       \
	})

/* So many bytes of the frame before `limit`; none if they are not all there. */
static __always_inline __u8 *bytes_at(struct xdp_md *ctx, __u32 at, __u32 count, __u32 limit)
{
	void *data = POINTER(ctx, data);
	void *end = POINTER(ctx, data_end);

	if (at > FARTHEST || at + count > limit)
		return 0;
	__u8 *bytes = data + at;
	if ((void *)(bytes + count) > end)
		return 0;
	return bytes;
}

static __always_inline __u32 be16(const __u8 *bytes)
{
	return (__u32)bytes[0] << 8 | bytes[1];
}

static __always_inline __u32 be32(const __u8 *bytes)
{
	return be16(bytes) << 16 | be16(bytes + 2);
}

/* The IP header that follows at packet->at, behind tags, PPPoE or MPLS. */
__noinline int behind(struct xdp_md *ctx, struct packet *packet, __u32 type)
{
	if (!packet)
		return NOTHING;
	__u32 at = packet->at, limit = packet->limit;
	__u8 *bytes;

	for (int i = 0; i < TAGS; i++) {
		if (type != TYPE_TAG && type != TYPE_SERVICE_TAG && type != TYPE_OLD_TAG)
			break;
		bytes = bytes_at(ctx, at, 4, limit);
		if (!bytes)
			return CUT;
		__u32 count = packet->tag_count;
		if (count < TAGS) {
			packet->tags[count] = be16(bytes) & 0x0fff;
			packet->tag_count = count + 1;
		}
		type = be16(bytes + 2);
		at += 4;
	}
	if (type == TYPE_PPPOE) {
		bytes = bytes_at(ctx, at, 8, limit);
		if (!bytes)
			return CUT;
		__u32 inner = be16(bytes + 6);
		type = inner == 0x0021 ? TYPE_IPV4 : inner == 0x0057 ? TYPE_IPV6 : 0;
		at += 8;
	} else if (type == TYPE_MPLS || type == TYPE_MPLS_MULTICAST) {
		type = 0;
		for (int i = 0; i < LABELS; i++) {
			bytes = bytes_at(ctx, at, 3, limit);
			if (!bytes)
				return CUT;
			at += 4;
			if (bytes[2] & 1) {
				bytes = bytes_at(ctx, at, 1, limit);
				if (!bytes)
					return CUT;
				__u8 version = bytes[0] >> 4;
				type = version == 4 ? TYPE_IPV4 : version == 6 ? TYPE_IPV6 : 0;
				break;
			}
		}
	}
	if (type != TYPE_IPV4 && type != TYPE_IPV6)
		return NOTHING;
	packet->at = at;
	packet->version = type == TYPE_IPV4 ? 4 : 6;
	return FOUND;
}

static __always_inline int read_ipv4(struct packet *packet, const __u8 *header)
{
	__u32 length = (header[0] & 15) * 4;
	__u32 total = be16(header + 2);
	__u32 fragment = be16(header + 6);

	if (header[0] >> 4 != 4 || length < 20)
		return CUT;
	/* A carrier of IPv6 has left its own words. */
	for (int i = 1; i < 4; i++) {
		packet->source[i] = 0;
		packet->destination[i] = 0;
	}
	packet->source[0] = be32(header + 12);
	packet->destination[0] = be32(header + 16);
	packet->protocol = header[9];
	packet->transport = packet->at + length;
	packet->fragment = (fragment & 0x3fff) != 0;
	packet->later = (fragment & 0x1fff) != 0;
	if (total >= length && packet->at + total < packet->end)
		packet->end = packet->at + total;
	return FOUND;
}

/* Goes past the extension header at packet->transport; false if the walk is over. */
static __always_inline int skip_extension(struct xdp_md *ctx, struct packet *packet)
{
	__u32 at = packet->transport;
	__u8 *bytes = bytes_at(ctx, at, 2, packet->limit);

	if (!bytes)
		return 0;
	__u8 next = bytes[0];
	__u32 length = bytes[1];
	switch (packet->protocol) {
	case FRAGMENT:
		bytes = bytes_at(ctx, at, 8, packet->limit);
		if (!bytes)
			return 0;
		/* Of an atomic fragment (RFC 6946) nothing else is to come. */
		packet->fragment = (be16(bytes + 2) & 0xfff9) != 0;
		packet->later = (be16(bytes + 2) & 0xfff8) != 0;
		packet->transport = at + 8;
		break;
	case AUTHENTICATION:
		packet->transport = at + 8 + length * 4;
		break;
	case 0:
	case 43:
	case 60:
	case 135:
	case 139:
	case 140:
		packet->transport = at + 8 + length * 8;
		break;
	default:
		return 0;
	}
	packet->protocol = next;
	return !packet->fragment;
}

/* Reads the header at packet->at; CUT if it is cut or of another version than said. */
__noinline int network(struct xdp_md *ctx, struct packet *packet)
{
	if (!packet)
		return NOTHING;
	packet->fragment = 0;
	packet->later = 0;
	if (packet->version == 4) {
		__u8 *header = bytes_at(ctx, packet->at, 20, packet->limit);
		return header ? read_ipv4(packet, header) : CUT;
	}
	__u8 *header = bytes_at(ctx, packet->at, 40, packet->limit);
	if (!header || header[0] >> 4 != 6)
		return CUT;
	for (int i = 0; i < 4; i++) {
		packet->source[i] = be32(header + 8 + i * 4);
		packet->destination[i] = be32(header + 24 + i * 4);
	}
	__u32 end = packet->at + 40 + be16(header + 4);
	if (end < packet->end)
		packet->end = end;
	packet->protocol = header[6];
	packet->transport = packet->at + 40;
	for (int i = 0; i < EXTENSIONS; i++) {
		if (!skip_extension(ctx, packet))
			break;
	}
	return FOUND;
}

/* The header of the packet within a packet becomes packet->at. */
__noinline int within(struct xdp_md *ctx, struct packet *packet)
{
	if (!packet || packet->fragment)
		return NOTHING;
	__u32 at = packet->transport, limit = packet->limit, type;
	__u8 *bytes;

	switch (packet->protocol) {
	case IPV4:
		type = TYPE_IPV4;
		break;
	case IPV6:
		type = TYPE_IPV6;
		break;
	case GRE: {
		bytes = bytes_at(ctx, at, 4, limit);
		if (!bytes)
			return CUT;
		__u32 flags = be16(bytes);
		/* Version 0 without source routes, recursion and reserved flags. */
		if (flags & 0x477f)
			return NOTHING;
		type = be16(bytes + 2);
		at += 4 + (flags & 0x8000 ? 4 : 0) + (flags & 0x2000 ? 4 : 0) +
		      (flags & 0x1000 ? 4 : 0);
		if (type == TYPE_ERSPAN) {
			/* Type I has no header of its own and no sequence number. */
			at += flags & 0x1000 ? 8 : 0;
			type = TYPE_BRIDGE;
		}
		break;
	}
	case UDP: {
		bytes = bytes_at(ctx, at, 12, limit);
		if (!bytes)
			return CUT;
		__u32 port = be16(bytes + 2), length = be16(bytes + 4);
		__u32 end = at + length;
		at += 16;
		if (port == VXLAN_PORT && bytes[8] & 0x08) {
			type = TYPE_BRIDGE;
		} else if (port == GENEVE_PORT && bytes[8] >> 6 == 0) {
			at += (bytes[8] & 0x3f) * 4;
			type = be16(bytes + 10);
		} else {
			return NOTHING;
		}
		if (length >= 8 && end < packet->end)
			packet->end = end;
		break;
	}
	default:
		return NOTHING;
	}
	if (type == TYPE_BRIDGE) {
		bytes = bytes_at(ctx, at, 14, limit);
		if (!bytes)
			return CUT;
		type = be16(bytes + 12);
		at += 14;
	}
	packet->at = at;
	return behind(ctx, packet, type);
}

/* The ports of a packet that has ports and is whole. */
static __always_inline int ports(struct xdp_md *ctx, const struct packet *packet, __u32 *source,
				 __u32 *destination)
{
	__u8 protocol = packet->protocol;

	if ((protocol != TCP && protocol != UDP && protocol != SCTP) || packet->fragment)
		return 0;
	__u8 *bytes = bytes_at(ctx, packet->transport, 4, packet->limit);
	if (!bytes)
		return 0;
	*source = be16(bytes);
	*destination = be16(bytes + 2);
	return 1;
}

static __always_inline int is_tunnel(struct xdp_md *ctx, const struct packet *packet)
{
	__u32 source, destination;

	if (packet->protocol == IPV4 || packet->protocol == IPV6 || packet->protocol == GRE)
		return 1;
	return packet->protocol == UDP && ports(ctx, packet, &source, &destination) &&
	       (destination == VXLAN_PORT || destination == GENEVE_PORT);
}

static __always_inline __u32 fold(__u32 hash, __u32 word)
{
	hash = (hash ^ word) * 0x9e3779b1;
	hash = (hash ^ hash >> 15) * 0x85ebca77;
	return hash ^ hash >> 13;
}

static __always_inline __u32 finish(__u32 hash)
{
	hash = (hash ^ hash >> 16) * 0x85ebca6b;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35;
	return hash ^ hash >> 16;
}

/* The symmetric hash of a packet. */
__noinline __u32 hash_of(struct xdp_md *ctx, struct packet *packet)
{
	if (!packet)
		return 0;
	__u32 from = fold(settings.seed, packet->source[0]);
	__u32 to = fold(settings.seed, packet->destination[0]);
	__u32 source = 0, destination = 0;

	if (packet->version == 6) {
		for (int i = 1; i < 4; i++) {
			from = fold(from, packet->source[i]);
			to = fold(to, packet->destination[i]);
		}
	}
	if (settings.options & WITH_PORTS && ports(ctx, packet, &source, &destination)) {
		from = fold(from, source);
		to = fold(to, destination);
	}
	__u32 sum = from + to;
	if (settings.options & WITH_TAGS) {
		__u32 tags = settings.seed;
		for (__u32 i = 0; i < TAGS; i++) {
			if (i < packet->tag_count)
				tags = fold(tags, packet->tags[i]);
		}
		sum += tags;
	}
	return finish(sum);
}

/* The hash of the packet that an ICMP "unreachable" is about, or else that of the packet. */
static __always_inline __u32 hash_of_flow(struct xdp_md *ctx, struct packet *packet)
{
	if (packet->version == 4 && packet->protocol == ICMP && !packet->later) {
		__u8 *type = bytes_at(ctx, packet->transport, 1, packet->limit);
		if (type && *type == 3) {
			struct packet embedded = *packet;
			embedded.at = packet->transport + 8;
			if (network(ctx, &embedded) == FOUND)
				return hash_of(ctx, &embedded);
		}
	}
	return hash_of(ctx, packet);
}

static __always_inline int is_excluded(const struct packet *packet)
{
	if (packet->version == 4) {
		if (!(settings.options & EXCLUDES_IPV4))
			return 0;
		struct prefix4 key = { .length = 32, .address = bpf_htonl(packet->source[0]) };
		if (bpf_map_lookup_elem(&excluded4, &key))
			return 1;
		key.address = bpf_htonl(packet->destination[0]);
		return bpf_map_lookup_elem(&excluded4, &key) != 0;
	}
	if (!(settings.options & EXCLUDES_IPV6))
		return 0;
	struct prefix6 key = { .length = 128 };
	for (int i = 0; i < 4; i++)
		key.address[i] = bpf_htonl(packet->source[i]);
	if (bpf_map_lookup_elem(&excluded6, &key))
		return 1;
	for (int i = 0; i < 4; i++)
		key.address[i] = bpf_htonl(packet->destination[i]);
	return bpf_map_lookup_elem(&excluded6, &key) != 0;
}

/* Fills the key of a packet with ports; true if its source is the high end. */
static __always_inline int canonical(struct flow_key *key, const struct packet *packet,
				     __u32 source, __u32 destination)
{
	int decided = 0, swapped = 0;

	for (int i = 0; i < 4; i++) {
		__u32 from = packet->source[i], to = packet->destination[i];
		if (!decided && from != to) {
			swapped = from > to;
			decided = 1;
		}
	}
	if (!decided)
		swapped = source > destination;
	for (int i = 0; i < 4; i++) {
		key->low_address[i] = swapped ? packet->destination[i] : packet->source[i];
		key->high_address[i] = swapped ? packet->source[i] : packet->destination[i];
	}
	key->low_port = swapped ? destination : source;
	key->high_port = swapped ? source : destination;
	if (settings.options & SHUNT_TAGS) {
		for (int i = 0; i < TAGS; i++)
			key->tags[i] = packet->tags[i];
	}
	key->protocol = packet->protocol;
	key->version = packet->version;
	key->tunnels = packet->tunnels;
	return swapped;
}

enum verdict { DELIVER, DELIVER_CONTROL, SHUNT };

/* Whether the packet belongs to a flow that needs no inspection any more; counts it if so. */
__noinline int shunt(struct xdp_md *ctx, struct packet *packet, __u32 bytes)
{
	struct flow_key key = {};
	__u32 source = 0, destination = 0;
	__u8 flags = 0;

	if (!packet || !ports(ctx, packet, &source, &destination))
		return DELIVER;
	int swapped = canonical(&key, packet, source, destination);
	struct shunted *entry = bpf_map_lookup_elem(&shunts, &key);
	if (!entry)
		return DELIVER;
	if (packet->protocol == TCP) {
		__u8 *header = bytes_at(ctx, packet->transport, 14, packet->limit);
		if (!header)
			return DELIVER;
		flags = header[13];
		/* The inspection must see how the flow ends, or that another one begins. */
		if (flags & (TCP_FIN | TCP_SYN | TCP_RST))
			return DELIVER_CONTROL;
	}
	__u32 seen = (__u32)flags << (swapped ? 8 : 0);
	if (swapped) {
		__sync_fetch_and_add(&entry->packets[1], 1);
		__sync_fetch_and_add(&entry->bytes[1], bytes);
	} else {
		__sync_fetch_and_add(&entry->packets[0], 1);
		__sync_fetch_and_add(&entry->bytes[0], bytes);
	}
	if ((entry->tcp_flags & seen) != seen)
		__sync_fetch_and_or(&entry->tcp_flags, seen);
	entry->last_seen = bpf_ktime_get_ns();
	return SHUNT;
}

/* To the socket of the queue; the hash goes along if the driver has room for it. */
static __always_inline int deliver(struct xdp_md *ctx, struct counters *count, __u32 hash,
				   __u32 flags)
{
	__u32 queue = ctx->rx_queue_index;

	if (!bpf_map_lookup_elem(&sockets, &queue)) {
		count->empty_slot++;
		return settings.empty_slot;
	}
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(struct metadata))) {
		count->no_metadata++;
	} else {
		void *data = POINTER(ctx, data);
		struct metadata *metadata = POINTER(ctx, data_meta);

		if ((void *)(metadata + 1) <= data) {
			metadata->magic = settings.magic;
			metadata->hash = hash;
			metadata->flags = flags;
			metadata->reserved = 0;
			metadata->time = bpf_ktime_get_ns();
		}
	}
	count->redirected++;
	return bpf_redirect_map(&sockets, queue, settings.empty_slot);
}

static __always_inline int steer(struct xdp_md *ctx, __u32 length)
{
	__u32 zero = 0;
	struct counters *count = bpf_map_lookup_elem(&counts, &zero);
	__u32 *kept = bpf_map_lookup_elem(&keep, &zero);

	if (!count || !kept)
		return XDP_ABORTED;
	count->received++;

	struct packet outer = { .at = 14, .limit = FARTHEST, .end = length };
	__u8 *ethernet = bytes_at(ctx, 0, 14, FARTHEST);
	if (!ethernet) {
		count->malformed++;
		return deliver(ctx, count, 0, 0);
	}
	int found = behind(ctx, &outer, be16(ethernet + 12));
	if (found != FOUND) {
		if (found == CUT)
			count->malformed++;
		else
			count->not_ip++;
		return deliver(ctx, count, 0, 0);
	}
	outer.limit = outer.at + REACH;
	if (network(ctx, &outer) != FOUND) {
		count->malformed++;
		return deliver(ctx, count, 0, 0);
	}
	if (is_excluded(&outer)) {
		count->excluded++;
		return settings.excluded;
	}

	__u32 flags = META_IP, bytes = length;
	struct packet inner = outer;
	if (is_tunnel(ctx, &outer)) {
		flags |= META_TUNNEL;
		if (settings.options & (INNERMOST | SHUNTS)) {
			for (int i = 0; i < DEPTH; i++) {
				struct packet next = inner;
				if (within(ctx, &next) != FOUND)
					break;
				__u32 carried = next.end > next.at ? next.end - next.at : 0;
				if (network(ctx, &next) != FOUND)
					break;
				inner = next;
				inner.tunnels = i + 1;
				bytes = carried;
			}
		}
	}
	if (settings.options & SHUNTS) {
		int verdict = shunt(ctx, &inner, bytes);
		if (verdict == SHUNT) {
			count->shunted++;
			count->shunted_bytes += bytes;
			return XDP_DROP;
		}
		if (verdict == DELIVER_CONTROL)
			count->control_of_shunted++;
	}
	struct packet *counted = settings.options & INNERMOST ? &inner : &outer;
	if (counted->fragment) {
		flags |= META_FRAGMENT;
		count->fragments++;
	}
	__u32 hash = hash_of_flow(ctx, counted);
	if ((__u64)hash * 1000 >> 32 >= *kept) {
		count->shed++;
		return XDP_DROP;
	}
	return deliver(ctx, count, hash, flags);
}

SEC("xdp")
int steer_linear(struct xdp_md *ctx)
{
	return steer(ctx, POINTER(ctx, data_end) - POINTER(ctx, data));
}

/* For frames in several buffers, whose headers are in the first one. Linux 5.18. */
SEC("xdp.frags")
int steer_buffers(struct xdp_md *ctx)
{
	return steer(ctx, bpf_xdp_get_buff_len(ctx));
}

/* The kernel's name for a licence that is compatible with its own. */
char _license[] SEC("license") = "Dual MIT/GPL";
