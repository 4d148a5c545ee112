/* tshark's completeness, Community ID, and the way in to the other tools' labels. */
#include "interop.h"

#include <assert.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <string.h>

static_assert(sizeof(struct interop) <= 128, "one for each of a million connections");

static uint32_t milliseconds(fw_time time)
{
    return (uint32_t)(time / FW_MILLISECOND);
}

/* ------------------------------------------------------------- tshark tcp.completeness (4.0) -- */

enum {
    SAW_SYN = 1,
    SAW_SYNACK = 2,
    SAW_ACK = 4,
    SAW_DATA = 8,
    SAW_FIN = 16,
    SAW_RST = 32,
    NEXT_STREAM = 128, /* a SYN with another number: tshark calls the rest another stream */
};

static bool is_bare_syn(const struct fw_segment *segment)
{
    return (segment->flags & (FW_SYN | FW_ACK)) == FW_SYN;
}

/* Of a stream's first packet only a SYN counts, and the data on it. */
static uint8_t completeness_of_first(const struct fw_segment *segment)
{
    if (!is_bare_syn(segment))
        return 0;
    return segment->payload_bytes > 0 ? SAW_SYN | SAW_DATA : SAW_SYN;
}

static uint8_t completeness_of(const struct fw_segment *segment)
{
    uint8_t saw = 0;

    if ((segment->flags & (FW_SYN | FW_ACK)) == (FW_SYN | FW_ACK))
        saw |= SAW_SYNACK;
    if ((segment->flags & (FW_SYN | FW_ACK)) == FW_ACK)
        saw |= segment->payload_bytes > 0 ? SAW_DATA : SAW_ACK;
    if ((segment->flags & (FW_FIN | FW_ACK)) == (FW_FIN | FW_ACK))
        saw |= SAW_FIN;
    if (segment->flags & FW_RST)
        saw |= SAW_RST;
    return saw;
}

/* Whether the sender opened with another number before. Zeek's model knows the number. */
static bool syn_is_another(const struct zeek *zeek, bool from_client,
                           const struct fw_segment *segment)
{
    const bool originator = from_client == zeek->originator_is_client;
    const struct zeek_end *sender = &zeek->ends[originator ? 0 : 1];

    return is_bare_syn(segment) && (sender->seen || sender->start) && sender->start != segment->seq;
}

static void completeness_step(struct interop *interop, bool from_client,
                              const struct fw_segment *segment)
{
    uint8_t *completeness = &interop->conntrack.completeness;

    if (!interop->zeek.started)
        *completeness = completeness_of_first(segment);
    else if (syn_is_another(&interop->zeek, from_client, segment))
        *completeness |= NEXT_STREAM;
    else if (!(*completeness & NEXT_STREAM))
        *completeness |= completeness_of(segment);
}

/* ---------------------------------------------------------------------------------- together -- */

void interop_step(struct interop *interop, bool from_client, const struct fw_segment *segment)
{
    const uint32_t now_ms = milliseconds(segment->time);
    const uint32_t since_ms = now_ms - interop->last_ms;
    /* Time that ran backwards is no time. */
    const uint32_t idle_ms = interop->zeek.started && (int32_t)since_ms > 0 ? since_ms : 0;

    completeness_step(interop, from_client, segment); /* knows the first by what the next starts */
    zeek_step(&interop->zeek, from_client, segment, now_ms, idle_ms);
    if (segment->checksum != FW_CHECKSUM_BAD) {
        conntrack_step(&interop->conntrack, from_client, segment, idle_ms);
        interop->last_ms = now_ms;
    }
}

void interop_fill(const struct interop *interop, struct fw_connection *connection)
{
    static_assert(sizeof connection->zeek_history > ZEEK_HISTORY_LETTERS, "no room for the NUL");

    memset(connection->zeek_history, 0, sizeof connection->zeek_history);
    memcpy(connection->zeek_history, interop->zeek.history, ZEEK_HISTORY_LETTERS);
    strcpy(connection->zeek_conn_state, zeek_conn_state(&interop->zeek));
    strcpy(connection->conntrack_state, conntrack_state_name(&interop->conntrack));
    connection->completeness = interop->conntrack.completeness & ~NEXT_STREAM;
}

/* ------------------------------------------------------------------------------ Community ID -- */

static size_t address_bytes(const struct fw_endpoint *endpoint)
{
    return endpoint->family == FW_IPV6 ? 16 : 4;
}

/* The lower address, then the lower port, goes first. */
static bool is_in_order(const struct fw_endpoint *a, const struct fw_endpoint *b)
{
    const int order = memcmp(a->addr, b->addr, address_bytes(a));

    return order != 0 ? order < 0 : a->port <= b->port;
}

/* https://github.com/corelight/community-id-spec: SHA-1 over seed, addresses, protocol, a zero,
 * ports, all in network order; then Base64. */
void interop_community_id(const struct fw_identity *identity, char text[32])
{
    const bool in_order = is_in_order(&identity->client, &identity->server);
    const struct fw_endpoint *first = in_order ? &identity->client : &identity->server;
    const struct fw_endpoint *second = in_order ? &identity->server : &identity->client;
    const uint8_t seed[2] = { 0, 0 };
    const uint8_t tail[6] = { 6,
                              0,
                              (uint8_t)(first->port >> 8),
                              (uint8_t)first->port,
                              (uint8_t)(second->port >> 8),
                              (uint8_t)second->port };
    struct sha1_ctx sha1;
    uint8_t digest[SHA1_DIGEST_SIZE];

    sha1_init(&sha1);
    sha1_update(&sha1, sizeof seed, seed);
    sha1_update(&sha1, address_bytes(first), first->addr);
    sha1_update(&sha1, address_bytes(second), second->addr);
    sha1_update(&sha1, sizeof tail, tail);
    sha1_digest(&sha1, sizeof digest, digest);

    static_assert(2 + BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE) < 32, "no room for the NUL");
    memcpy(text, "1:", 2);
    base64_encode_raw(text + 2, sizeof digest, digest);
    text[2 + BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE)] = '\0';
}
