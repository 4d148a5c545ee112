/* Which connection a segment belongs to: keys, and their hashes. */
#include "flow.h"

#include <string.h>

#include "siphash.h"

static uint32_t load_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static void copy_u32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, sizeof(value));
}

/* What of IPv4 tells an endpoint, as a number: any order will do, if it is always the same. Of two
 * numbers the smaller is told without a jump, which nobody could foresee. */
static uint64_t number_of(const struct fw_endpoint *endpoint)
{
    return (uint64_t)load_u32(endpoint->addr) << 16 | endpoint->port;
}

static inline uint64_t lesser(uint64_t a, uint64_t b)
{
    return a <= b ? a : b;
}

static inline uint64_t greater(uint64_t a, uint64_t b)
{
    return a <= b ? b : a;
}

static inline bool is_ipv6_from_low(const struct fw_segment *segment)
{
    const struct fw_endpoint *from = &segment->from, *to = &segment->to;
    const int order = memcmp(from->addr, to->addr, sizeof(from->addr));
    return order != 0 ? order < 0 : from->port <= to->port;
}

bool flow_is_from_low(const struct fw_segment *segment)
{
    return segment->from.family == FW_IPV4 ? number_of(&segment->from) <= number_of(&segment->to)
                                           : is_ipv6_from_low(segment);
}

static void make_ipv4(const struct fw_segment *segment, struct flow_key *key)
{
    const uint64_t from = number_of(&segment->from), to = number_of(&segment->to);
    const uint64_t low = lesser(from, to), high = greater(from, to);
    key->low_port = (uint16_t)low;
    key->high_port = (uint16_t)high;
    copy_u32(key->addr.ipv4.low, (uint32_t)(low >> 16));
    copy_u32(key->addr.ipv4.high, (uint32_t)(high >> 16));
}

static void make_ipv6(const struct fw_segment *segment, struct flow_key *key)
{
    const bool from_low = is_ipv6_from_low(segment);
    const struct fw_endpoint *low = from_low ? &segment->from : &segment->to;
    const struct fw_endpoint *high = from_low ? &segment->to : &segment->from;
    key->low_port = low->port;
    key->high_port = high->port;
    memcpy(key->addr.ipv6.low, low->addr, sizeof(key->addr.ipv6.low));
    memcpy(key->addr.ipv6.high, high->addr, sizeof(key->addr.ipv6.high));
}

void flow_key_of(const struct fw_segment *segment, struct flow_key *key)
{
    key->vlan = segment->scope.vlan;
    key->family = (uint8_t)segment->from.family;
    key->tunnel = (uint8_t)segment->scope.tunnel;
    key->tunnel_id = segment->scope.tunnel_id;
    if (key->family == FW_IPV4)
        make_ipv4(segment, key);
    else
        make_ipv6(segment, key);
}

static inline bool is_of_scope(const struct flow_key *key, const struct fw_segment *segment)
{
    return ((uint32_t)(key->vlan ^ segment->scope.vlan) |
            (uint32_t)(key->tunnel ^ segment->scope.tunnel) |
            (uint32_t)(key->family ^ segment->from.family) |
            (key->tunnel_id ^ segment->scope.tunnel_id)) == 0;
}

static bool is_of_ipv6_flow(const struct flow_key *key, const struct fw_segment *segment)
{
    struct flow_key other;
    make_ipv6(segment, &other);
    return key->low_port == other.low_port && key->high_port == other.high_port &&
           memcmp(&key->addr.ipv6, &other.addr.ipv6, sizeof(key->addr.ipv6)) == 0;
}

bool flow_key_is_of(const struct flow_key *key, const struct fw_segment *segment)
{
    if (!is_of_scope(key, segment))
        return false;
    if (key->family != FW_IPV4)
        return is_of_ipv6_flow(key, segment);
    const uint64_t from = number_of(&segment->from), to = number_of(&segment->to);
    const uint64_t low = (uint64_t)load_u32(key->addr.ipv4.low) << 16 | key->low_port;
    const uint64_t high = (uint64_t)load_u32(key->addr.ipv4.high) << 16 | key->high_port;
    return ((low ^ lesser(from, to)) | (high ^ greater(from, to))) == 0;
}

/* SipHash of addresses and ports, the lower endpoint first, then VLAN and tunnel with the length in
 * the upper byte and, in a tunnel, its id before them. */
static inline unsigned hash_of(const uint64_t hash_key[2], const struct fw_segment *segment)
{
    const uint64_t id = segment->scope.tunnel_id;
    const uint64_t scope = (uint64_t)segment->scope.vlan << 32 | (uint64_t)segment->scope.tunnel
                                                                     << 48;
    const bool tunnel = segment->scope.tunnel != FW_TUNNEL_NONE;
    uint64_t hash;
    if (segment->from.family == FW_IPV4) {
        const uint64_t from = number_of(&segment->from), to = number_of(&segment->to);
        const uint64_t low = lesser(from, to), high = greater(from, to);
        const uint64_t addresses = high >> 16 << 32 | low >> 16;
        const uint64_t rest = scope | (high & UINT16_MAX) << 16 | (low & UINT16_MAX);
        const uint64_t plain[] = { addresses, rest | UINT64_C(15) << 56 };
        const uint64_t inner[] = { addresses, id, rest | UINT64_C(23) << 56 };
        hash = tunnel ? siphash13(hash_key, inner, 3) : siphash13(hash_key, plain, 2);
    } else {
        struct flow_key key;
        uint64_t words[6];
        make_ipv6(segment, &key);
        const uint64_t rest = scope | (uint64_t)key.high_port << 16 | key.low_port;
        memcpy(words, &key.addr.ipv6, sizeof(key.addr.ipv6));
        words[4] = id;
        words[tunnel ? 5 : 4] = rest | (uint64_t)(tunnel ? 47 : 39) << 56;
        hash = siphash13(hash_key, words, tunnel ? 6 : 5);
    }
    return (unsigned)(hash ^ hash >> 32);
}

unsigned flow_listener_hash(const uint64_t hash_key[2], const struct fw_endpoint *endpoint,
                            const struct fw_scope *scope)
{
    uint64_t words[4];
    memcpy(words, endpoint->addr, sizeof(endpoint->addr));
    words[2] = (uint64_t)endpoint->port | (uint64_t)endpoint->family << 16 |
               (uint64_t)scope->tunnel_id << 32;
    words[3] = (uint64_t)scope->vlan | (uint64_t)scope->tunnel << 16 |
               (uint64_t)FLOW_LISTENER_KEY_BYTES << 56;
    return (unsigned)siphash13(hash_key, words, 4);
}

void flow_hash_all(const uint64_t hash_key[2], const struct fw_segment *segments, size_t count,
                   struct flow_lookup *lookups)
{
    for (size_t i = 0; i < count; i++) {
        const struct fw_segment *segment = &segments[i];
        struct flow_lookup *lookup = &lookups[i];
        lookup->from_low = flow_is_from_low(segment);
        lookup->hash = hash_of(hash_key, segment);
        lookup->syn = (segment->flags & FW_SYN) != 0;
        lookup->answers = (segment->flags & (FW_SYN | FW_ACK)) == (FW_SYN | FW_ACK);
        if (lookup->answers)
            lookup->listener_hash = flow_listener_hash(hash_key, &segment->from, &segment->scope);
    }
}

/* By a batch of one: the hash is made in line only if it is made in one place. */
unsigned flow_key_hash(const uint64_t hash_key[2], const struct fw_segment *segment)
{
    struct flow_lookup lookup;
    flow_hash_all(hash_key, segment, 1, &lookup);
    return lookup.hash;
}
