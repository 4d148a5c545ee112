/* What a segment is to its two ends: a duplicate, stale, old; windows, timestamps, options. */
#include "tcp_step.h"

#include <string.h>

static void saturating_add(uint16_t *counter)
{
    if (*counter < UINT16_MAX)
        ++*counter;
}

void tcp_count_segment(struct tcp_end *sender, const struct fw_segment *segment)
{
    sender->packets++;
    if (segment->flags & FW_SYN)
        saturating_add(segment->flags & FW_ACK ? &sender->synacks : &sender->syns);
    if (segment->flags & FW_FIN)
        saturating_add(&sender->fins);
    if (segment->flags & FW_RST)
        saturating_add(&sender->rsts);
    if (segment->payload_bytes > 0)
        sender->data_packets++;
}

/* The same bytes again: mirrored twice, or doubled on the way (states.md 30). A stack that sends a
 * segment again gives it another IP id or timestamp, or waits. */
bool tcp_is_duplicate(const struct tcp_end *sender, const struct fw_segment *segment)
{
    if (sender->last_time == INT64_MIN || sender->last_seq != segment->seq ||
        sender->last_ack != segment->ack || sender->last_flags != segment->flags ||
        sender->last_checksum != segment->checksum_raw || sender->last_ip_id != segment->ip_id ||
        sender->last_payload_bytes != segment->payload_bytes)
        return false;
    if (segment->ip_id != 0 || (segment->options & FW_OPT_TIMESTAMPS))
        return true;
    return tcp_elapsed(sender->last_time, segment->time) < 200 * FW_MILLISECOND;
}

void tcp_remember_segment(struct tcp_end *sender, const struct fw_segment *segment)
{
    sender->last_seq = segment->seq;
    if ((segment->flags & FW_ACK) && (sender->ack_count == 0 || segment->ack != sender->acks[0])) {
        memmove(&sender->acks[1], &sender->acks[0], sizeof(sender->acks) - sizeof(sender->acks[0]));
        sender->acks[0] = segment->ack;
        sender->ack_count += sender->ack_count < TCP_RECENT_ACKS;
    }
    sender->last_ack = segment->ack;
    sender->last_flags = segment->flags;
    sender->last_checksum = segment->checksum_raw;
    sender->last_ip_id = segment->ip_id;
    sender->last_payload_bytes = segment->payload_bytes;
    sender->last_time = segment->time;
}

/* Window scale unknown: call nothing out of window that could be in it. */
unsigned tcp_window_shift(const struct tcp_end *end, const struct tcp_end *peer)
{
    if (!has(end, END_SYN_OPTIONS) || !has(peer, END_SYN_OPTIONS))
        return 14;
    return has(end, END_SCALES) && has(peer, END_SCALES) ? end->window_scale : 0;
}

void tcp_remember_syn_options(struct tcp_end *sender, const struct fw_segment *segment)
{
    sender->facts |= END_SYN_OPTIONS;
    if (segment->options & FW_OPT_WINDOW_SCALE) {
        sender->facts |= END_SCALES;
        sender->window_scale = segment->window_scale;
    }
    if (segment->options & FW_OPT_MSS)
        sender->mss = segment->mss;
}

/* Sent before what was already seen of this sender, or not by its stack at all (RFC 7323
 * section 3.2: once negotiated, timestamps are in every segment but a RST): says nothing of its
 * present state. */
bool tcp_is_stale(const struct step *step)
{
    const struct fw_segment *segment = step->segment;
    if (!has(step->sender, END_HAS_TS))
        return false;
    if (!(segment->options & FW_OPT_TIMESTAMPS))
        return has(step->receiver, END_HAS_TS);
    return before(segment->ts_val, step->sender->ts_last);
}

/* RFC 7323 section 5.3, with Linux's exception for ACKs that came in another order. */
bool tcp_fails_paws(const struct tcp_end *sender, const struct fw_segment *segment)
{
    if (!(segment->options & FW_OPT_TIMESTAMPS) || !has(sender, END_HAS_TS))
        return false;
    if ((int32_t)(sender->ts_recent - segment->ts_val) <= 1)
        return false;
    return sequence_end(segment) != segment->seq;
}

/* TS.Recent moves only with a segment that covers Last.ACK.sent (RFC 7323 section 4.3). */
void tcp_remember_timestamps(struct tcp_end *sender, const struct tcp_end *receiver,
                             const struct fw_segment *segment)
{
    if (!(segment->options & FW_OPT_TIMESTAMPS))
        return;
    if (!has(sender, END_HAS_TS)) {
        sender->facts |= END_HAS_TS;
        sender->ts_recent = sender->ts_last = segment->ts_val;
    }
    if (after(segment->ts_val, sender->ts_last))
        sender->ts_last = segment->ts_val;
    if (after(segment->ts_val, sender->ts_recent) &&
        (!has(receiver, END_HAS_RCV) || !after(segment->seq, receiver->rcv)))
        sender->ts_recent = segment->ts_val;
}
