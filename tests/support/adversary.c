#include "adversary.h"

static uint64_t next_random(struct adversary *adversary)
{
    /* splitmix64 (Steele, Lea, Flood 2014) */
    uint64_t z = adversary->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t adversary_below(struct adversary *adversary, uint32_t bound)
{
    return (uint32_t)((next_random(adversary) >> 32) * bound >> 32);
}

static bool one_in(struct adversary *adversary, uint32_t bound)
{
    return adversary_below(adversary, bound) == 0;
}

/* Near 0 and near wrap as often as anywhere else. */
static uint32_t any_isn(struct adversary *adversary)
{
    switch (adversary_below(adversary, 4)) {
    case 0:
        return 0;
    case 1:
        return UINT32_MAX - adversary_below(adversary, 3000);
    default:
        return (uint32_t)next_random(adversary);
    }
}

void adversary_init(struct adversary *adversary, uint64_t seed, unsigned tuples)
{
    *adversary = (struct adversary){ .random = seed, .now = 1000 * FW_SECOND, .tuples = tuples };
    for (unsigned i = 0; i < tuples; i++)
        for (int side = 0; side < 2; side++)
            adversary->ends[i][side].iss = adversary->ends[i][side].nxt = any_isn(adversary);
}

static fw_time pass_time(struct adversary *adversary)
{
    switch (adversary_below(adversary, 40)) {
    case 0:
        return adversary->now += adversary_below(adversary, 300) * FW_SECOND;
    case 1:
        return adversary->now += adversary_below(adversary, 3000) * FW_MILLISECOND;
    case 2: /* this frame only */
        return adversary->now - adversary_below(adversary, 2000) * FW_MILLISECOND;
    default:
        return adversary->now += adversary_below(adversary, 5000) * 1000;
    }
}

static struct fw_endpoint endpoint(unsigned tuple, int side)
{
    struct fw_endpoint endpoint = { .family = FW_IPV4, .addr = { 10, 0, 0, (uint8_t)(1 + side) } };
    /* Some have one port at both ends, some the lower port at the client. */
    endpoint.port = (uint16_t)(tuple % 3 == 0 ? 179 : 40000 + (tuple % 2 == 0) * side * 100);
    if (tuple % 2 == 1 && side == 1)
        endpoint.port = 80;
    endpoint.addr[2] = (uint8_t)tuple;
    return endpoint;
}

/* A number where it hurts. */
static uint32_t twist(struct adversary *adversary, uint32_t number)
{
    static const uint32_t offsets[] = {
        1,     UINT32_MAX, 2,          UINT32_MAX - 1, 100, UINT32_MAX - 99,
        65535, 65536,      0x7fffffff, 0x80000000u,
    };
    if (one_in(adversary, 8))
        return (uint32_t)next_random(adversary);
    return number + offsets[adversary_below(adversary, sizeof(offsets) / sizeof(offsets[0]))];
}

/* What the end would send next if all were well. */
static void move_honestly(struct adversary *adversary, struct adversary_end *from,
                          const struct adversary_end *to, struct fw_segment *segment)
{
    segment->seq = from->nxt;
    segment->ack = to->nxt;
    if (!from->sent_syn) {
        segment->seq = from->iss;
        segment->flags = to->sent_syn ? FW_SYN | FW_ACK : FW_SYN;
        segment->ack = to->sent_syn ? to->nxt : 0;
        segment->payload_bytes = one_in(adversary, 8) ? 20 : 0;
        from->sent_syn = true;
        from->nxt = from->iss + 1 + segment->payload_bytes;
        return;
    }
    segment->flags = FW_ACK;
    if (!from->sent_fin && one_in(adversary, 2))
        segment->payload_bytes = 1 + adversary_below(adversary, 1460);
    if (!from->sent_fin && one_in(adversary, 6)) {
        segment->flags |= FW_FIN;
        from->sent_fin = true;
    }
    from->nxt += segment->payload_bytes + ((segment->flags & FW_FIN) ? 1 : 0);
}

static void begin_again(struct adversary *adversary, struct adversary_end *from,
                        struct adversary_end *to, struct fw_segment *segment)
{
    if (one_in(adversary, 2)) {
        from->iss = any_isn(adversary);
        from->nxt = from->iss + 1;
        from->sent_syn = true;
        from->sent_fin = to->sent_syn = to->sent_fin = false;
    }
    segment->flags = FW_SYN;
    segment->seq = one_in(adversary, 3) ? twist(adversary, from->iss) : from->iss;
}

static void reset(struct adversary *adversary, const struct adversary_end *from,
                  const struct adversary_end *to, struct fw_segment *segment)
{
    segment->flags = (uint16_t)(one_in(adversary, 2) ? FW_RST : FW_RST | FW_ACK);
    segment->seq = one_in(adversary, 2) ? from->nxt : twist(adversary, from->nxt);
    segment->ack = (segment->flags & FW_ACK) ? to->nxt : 0;
}

static void compose(struct adversary *adversary, struct adversary_end *from,
                    struct adversary_end *to, struct fw_segment *segment)
{
    const uint32_t kind = adversary_below(adversary, 100);

    if (kind < 50) {
        move_honestly(adversary, from, to, segment);
    } else if (kind < 72) {
        struct adversary_end copy = *from;
        move_honestly(adversary, &copy, to, segment);
        if (one_in(adversary, 2))
            segment->seq = twist(adversary, segment->seq);
        else
            segment->ack = twist(adversary, segment->ack);
    } else if (kind < 82) {
        reset(adversary, from, to, segment);
    } else if (kind < 92) {
        begin_again(adversary, from, to, segment);
    } else {
        move_honestly(adversary, &(struct adversary_end){ .nxt = from->nxt, .sent_syn = true }, to,
                      segment);
        segment->flags = (uint16_t)(adversary_below(adversary, 512));
    }
}

static void send_again(struct adversary *adversary, struct fw_segment *segment)
{
    const size_t known =
        adversary->sent_count < ADVERSARY_MEMORY ? adversary->sent_count : ADVERSARY_MEMORY;
    const struct fw_segment *old = &adversary->sent[adversary_below(adversary, (uint32_t)known)];
    const fw_time time = segment->time;
    const uint64_t frame = segment->frame;
    const uint16_t mark = segment->ip_id;

    *segment = *old;
    segment->time = time;
    segment->frame = frame;
    if (one_in(adversary, 2))
        segment->ip_id = segment->checksum_raw = mark;
    if (one_in(adversary, 10))
        segment->icmp = (uint8_t)(FW_ICMP_NET_UNREACHABLE + adversary_below(adversary, 8));
}

void adversary_next(struct adversary *adversary, struct fw_segment *segment)
{
    const unsigned tuple = adversary_below(adversary, adversary->tuples);
    const int side = one_in(adversary, 2);
    struct adversary_end *from = &adversary->ends[tuple][side];
    struct adversary_end *to = &adversary->ends[tuple][!side];
    const uint16_t mark = ++adversary->next_mark;

    *segment = (struct fw_segment){
        .time = pass_time(adversary),
        .frame = ++adversary->frame,
        .from = endpoint(tuple, side),
        .to = endpoint(tuple, !side),
        .ip_id = mark,
        .checksum_raw = mark,
        .window_raw = (uint16_t)(one_in(adversary, 10) ? 0 : 1 + adversary_below(adversary, 65535)),
    };
    if (adversary->sent_count > 0 && one_in(adversary, 8)) {
        send_again(adversary, segment);
        return;
    }
    compose(adversary, from, to, segment);
    if ((segment->flags & FW_SYN) && one_in(adversary, 2)) {
        segment->options |= FW_OPT_WINDOW_SCALE;
        segment->window_scale = (uint8_t)adversary_below(adversary, 15);
    }
    if (segment->flags & FW_SYN)
        from->timestamps = one_in(adversary, 2);
    if (from->timestamps != one_in(adversary, 20)) {
        segment->options |= FW_OPT_TIMESTAMPS;
        segment->ts_val = (uint32_t)(adversary->now / FW_MILLISECOND);
        if (one_in(adversary, 20))
            segment->ts_val = twist(adversary, segment->ts_val);
    }
    adversary->sent[adversary->sent_count++ % ADVERSARY_MEMORY] = *segment;
}
