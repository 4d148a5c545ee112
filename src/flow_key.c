/* Which connection a segment belongs to: keys, and their hashes. */
#include "flow.h"

#include <string.h>

#include "siphash.h"

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

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

/* Address and port as one number: any order will do, if it is always the same. Of two the smaller
 * is told without a jump, which nobody could foresee. */
static uint64_t number_of(const struct fw_endpoint *endpoint)
{
    return (uint64_t)load_u32(endpoint->addr) << 16 | endpoint->port;
}

static inline bool make_ipv4(const struct fw_segment *segment, struct flow_key *key)
{
    const uint64_t from = number_of(&segment->from), to = number_of(&segment->to);
    const uint64_t low = from <= to ? from : to, high = from <= to ? to : from;
    key->low_port = (uint16_t)low;
    key->high_port = (uint16_t)high;
    copy_u32(key->addr.ipv4.low, (uint32_t)(low >> 16));
    copy_u32(key->addr.ipv4.high, (uint32_t)(high >> 16));
    return from <= to;
}

static inline bool make_ipv6(const struct fw_segment *segment, struct flow_key *key)
{
    const struct fw_endpoint *from = &segment->from, *to = &segment->to;
    const int order = memcmp(from->addr, to->addr, sizeof(from->addr));
    const bool from_low = order != 0 ? order < 0 : from->port <= to->port;
    const struct fw_endpoint *low = from_low ? from : to, *high = from_low ? to : from;
    key->low_port = low->port;
    key->high_port = high->port;
    memcpy(key->addr.ipv6.low, low->addr, sizeof(key->addr.ipv6.low));
    memcpy(key->addr.ipv6.high, high->addr, sizeof(key->addr.ipv6.high));
    return from_low;
}

static inline bool make_key(const struct fw_segment *segment, struct flow_key *key)
{
    key->vlan = segment->scope.vlan;
    key->family = (uint8_t)segment->from.family;
    key->tunnel = (uint8_t)segment->scope.tunnel;
    key->tunnel_id = segment->scope.tunnel_id;
    return segment->from.family == FW_IPV4 ? make_ipv4(segment, key) : make_ipv6(segment, key);
}

void flow_key_of(const struct fw_segment *segment, struct flow_key *key, bool *from_low)
{
    *from_low = make_key(segment, key);
}

size_t flow_key_bytes(const struct flow_key *key)
{
    return key->family == FW_IPV4 ? FLOW_KEY_BYTES_IPV4 : FLOW_KEY_BYTES_IPV6;
}

bool flow_keys_differ(const void *a, const void *b, size_t bytes)
{
    const uint8_t *left = a, *right = b;
    if (bytes != FLOW_KEY_BYTES_IPV4)
        return memcmp(left, right, bytes) != 0;
    return ((load_u64(left) ^ load_u64(right)) | (load_u64(left + 8) ^ load_u64(right + 8)) |
            (load_u32(left + 16) ^ load_u32(right + 16))) != 0;
}

/* SipHash of ports, VLAN and tunnel (7 bytes), which come last, after the addresses and, in a
 * tunnel, its id. A key that was just written is read as it was written: a processor waits for a
 * load from two stores. */
static inline unsigned hash_of(const uint64_t hash_key[2], const struct flow_key *key)
{
    const uint64_t rest = (uint64_t)key->low_port | (uint64_t)key->high_port << 16 |
                          (uint64_t)key->vlan << 32 | (uint64_t)key->tunnel << 48;
    const bool tunnel = key->tunnel != FW_TUNNEL_NONE;
    uint64_t hash;
    if (key->family == FW_IPV4) {
        const uint64_t addresses =
            (uint64_t)load_u32(key->addr.ipv4.high) << 32 | load_u32(key->addr.ipv4.low);
        const uint64_t plain[] = { addresses, rest | UINT64_C(15) << 56 };
        const uint64_t inner[] = { addresses, key->tunnel_id, rest | UINT64_C(23) << 56 };
        hash = tunnel ? siphash13(hash_key, inner, 3) : siphash13(hash_key, plain, 2);
    } else {
        uint64_t words[6];
        memcpy(words, &key->addr.ipv6, sizeof(key->addr.ipv6));
        words[4] = key->tunnel_id;
        words[tunnel ? 5 : 4] = rest | (uint64_t)(tunnel ? 47 : 39) << 56;
        hash = siphash13(hash_key, words, tunnel ? 6 : 5);
    }
    return (unsigned)(hash ^ hash >> 32);
}

unsigned flow_key_hash(const uint64_t hash_key[2], const struct flow_key *key)
{
    return hash_of(hash_key, key);
}

unsigned flow_listener_hash(const uint64_t hash_key[2], const struct fw_endpoint *endpoint,
                            const struct fw_scope *scope)
{
    const struct fw_listener listener = { .endpoint = *endpoint, .scope = *scope };
    uint64_t words[4] = { 0 };
    memcpy(words, &listener, FLOW_LISTENER_KEY_BYTES);
    words[3] |= (uint64_t)FLOW_LISTENER_KEY_BYTES << 56;
    return (unsigned)siphash13(hash_key, words, 4);
}

void flow_prepare_keys(const uint64_t hash_key[2], const struct fw_segment *segments, size_t count,
                       struct flow_lookup *lookups)
{
    for (size_t i = 0; i < count; i++) {
        const struct fw_segment *segment = &segments[i];
        struct flow_lookup *lookup = &lookups[i];
        lookup->from_low = make_key(segment, &lookup->key);
        lookup->hash = hash_of(hash_key, &lookup->key);
        lookup->answers = (segment->flags & (FW_SYN | FW_ACK)) == (FW_SYN | FW_ACK);
        if (lookup->answers)
            lookup->listener_hash = flow_listener_hash(hash_key, &segment->from, &segment->scope);
    }
}
