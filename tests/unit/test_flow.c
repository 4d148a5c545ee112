#include "flow.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "allocations.h"
#include "flow_stub.h"

static const uint8_t hash_key[16] = "0123456789abcdef";

static struct flow_table *make_table(const uint8_t key[16], bool interop)
{
    struct flow_table_options options = { .interop = interop };

    memcpy(options.hash_key, key, sizeof(options.hash_key));
    return flow_table_create(&options);
}

static struct fw_endpoint endpoint(uint8_t host, uint16_t port)
{
    return (struct fw_endpoint){ .addr = { 10, 0, 0, host }, .port = port, .family = FW_IPV4 };
}

static struct fw_segment segment(struct fw_endpoint from, struct fw_endpoint to)
{
    return (struct fw_segment){ .from = from, .to = to };
}

/* On the n-th of many tuples. */
static struct fw_segment nth_segment(unsigned n)
{
    struct fw_segment nth = segment(endpoint(1, (uint16_t)n), endpoint(2, 80));

    nth.from.addr[1] = (uint8_t)(n >> 16);
    return nth;
}

static struct flow *add(struct flow_table *table, unsigned n, fw_time now)
{
    const struct fw_segment nth = nth_segment(n);
    struct flow *flow = flow_add(table, &nth, flow_hash(table, &nth), now);

    if (flow)
        flow_body(flow)->id = n;
    return flow;
}

static struct flow *add_live(struct flow_table *table, unsigned n)
{
    return add(table, n, 0);
}

static struct flow *add_syn(struct flow_table *table, unsigned n)
{
    const struct fw_segment nth = nth_segment(n);
    const struct flow_syn syn = { .id = n };

    return flow_add_syn(table, &nth, flow_hash(table, &nth), 0, &syn);
}

static struct flow *find(struct flow_table *table, unsigned n)
{
    const struct fw_segment nth = nth_segment(n);
    return flow_find(table, &nth, flow_hash(table, &nth));
}

/* ---------------------------------------------------------------------------------- keys -- */

START_TEST(both_directions_have_one_key_and_the_lower_end_first)
{
    const struct fw_segment there = segment(endpoint(1, 4000), endpoint(2, 80));
    const struct fw_segment back = segment(endpoint(2, 80), endpoint(1, 4000));
    struct flow_key one, other;

    memset(&one, 0xaa, sizeof(one)); /* no byte may keep what was there */
    memset(&other, 0x55, sizeof(other));
    flow_key_of(&there, &one);
    ck_assert(flow_is_from_low(&there));
    flow_key_of(&back, &other);
    ck_assert(!flow_is_from_low(&back));
    ck_assert(flow_key_is_of(&one, &there) && flow_key_is_of(&one, &back));
    ck_assert_mem_eq(&one, &other, flow_key_bytes(one.family));
    ck_assert_uint_eq(one.low_port, 4000);
    ck_assert_uint_eq(one.high_port, 80);
}
END_TEST

START_TEST(the_same_address_is_told_apart_by_port)
{
    const struct fw_segment there = segment(endpoint(1, 80), endpoint(1, 4000));
    const struct fw_segment back = segment(endpoint(1, 4000), endpoint(1, 80));
    struct flow_key one, other;

    flow_key_of(&there, &one);
    flow_key_of(&back, &other);
    ck_assert_mem_eq(&one, &other, flow_key_bytes(one.family));
    ck_assert_int_ne(flow_is_from_low(&there), flow_is_from_low(&back));
}
END_TEST

START_TEST(whatever_is_part_of_the_identity_is_part_of_the_key)
{
    const struct fw_segment base = segment(endpoint(1, 4000), endpoint(2, 80));
    struct fw_segment others[] = { base, base, base, base, base, base, base, base };
    struct flow_key key, other;

    others[0].scope.vlan = 7;
    others[1].scope.tunnel = FW_TUNNEL_GRE;
    others[2].scope.tunnel_id = 7;
    others[3].from.port = 4001;
    others[4].to.port = 81;
    others[5].from.addr[3] = 3;
    others[6].to.addr[3] = 1;
    others[7].from.family = others[7].to.family = FW_IPV6; /* the same bytes mean something else */
    flow_key_of(&base, &key);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        flow_key_of(&others[i], &other);
        ck_assert(!flow_key_is_of(&key, &others[i]));
        ck_assert(!flow_key_is_of(&other, &base));
        ck_assert(flow_key_is_of(&other, &others[i]));
    }
}
END_TEST

START_TEST(what_is_no_part_of_the_identity_is_no_part_of_the_key)
{
    const struct fw_segment base = segment(endpoint(1, 4000), endpoint(2, 80));
    struct fw_segment other = base;
    struct flow_key key, other_key;

    other.time = other.seq = other.flags = other.ttl = other.ip_id = 99;
    flow_key_of(&base, &key);
    flow_key_of(&other, &other_key);
    ck_assert_mem_eq(&key, &other_key, flow_key_bytes(key.family));
}
END_TEST

START_TEST(identity_gives_back_what_the_key_took)
{
    struct fw_segment syn = segment(endpoint(9, 4000), endpoint(2, 80));
    struct fw_identity identity;
    struct flow_key key;

    syn.scope = (struct fw_scope){ .tunnel_id = 5, .vlan = 6, .tunnel = FW_TUNNEL_VXLAN };
    flow_key_of(&syn, &key);
    const struct flow_live live = {
        .flow = { .form = FLOW_WHOLE, .client_is_low = flow_is_from_low(&syn), .key = key },
        .body = { .id = 3 },
    };
    flow_identity(&live.flow, &identity);
    ck_assert_uint_eq(identity.id, 3);
    ck_assert_mem_eq(&identity.client, &syn.from, sizeof(syn.from));
    ck_assert_mem_eq(&identity.server, &syn.to, sizeof(syn.to));
    ck_assert_mem_eq(&identity.scope, &syn.scope, sizeof(syn.scope));
}
END_TEST

START_TEST(both_directions_have_one_hash_and_each_part_of_the_key_changes_it)
{
    struct flow_table *table = make_table(hash_key, false);
    unsigned hashes[12];
    size_t count = 0;

    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        for (int tunnel = 0; tunnel < 2; tunnel++) {
            for (int other = 0; other < 3; other++) {
                struct fw_segment there = segment(endpoint(1, 4000), endpoint(2, 80)), back;
                there.from.family = there.to.family = ipv6 ? FW_IPV6 : FW_IPV4;
                there.scope.tunnel = tunnel ? FW_TUNNEL_VXLAN : FW_TUNNEL_NONE;
                there.scope.vlan = other == 1;
                there.from.port = other == 2 ? 4001 : 4000;
                back = there;
                back.from = there.to;
                back.to = there.from;
                hashes[count] = flow_hash(table, &there);
                ck_assert_uint_eq(flow_hash(table, &back), hashes[count]);
                for (size_t i = 0; i < count; i++)
                    ck_assert_uint_ne(hashes[i], hashes[count]);
                count++;
            }
        }
    }
    flow_table_destroy(table);
}
END_TEST

/* Of a batch: what is there, both ways, and what is not; servers that answered before. */
START_TEST(a_batch_is_looked_up_as_one_by_one)
{
    enum { COUNT = 40, ADDED = 20 };
    struct flow_table *table = make_table(hash_key, false);
    struct fw_segment segments[COUNT];
    struct flow_lookup lookups[COUNT];
    uint32_t changes[COUNT];
    struct fw_identity identity = { .server = endpoint(2, 80) };

    for (unsigned n = 1; n <= ADDED; n++)
        ck_assert_ptr_nonnull(add(table, n, 100));
    ck_assert_int_eq(flow_note_listener(table, &identity, 0), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        segments[i] = nth_segment(1 + i % 30);
        segments[i].flags = FW_SYN | FW_ACK;
        if (i % 2 == 0) {
            const struct fw_endpoint from = segments[i].from;
            segments[i].from = segments[i].to;
            segments[i].to = from;
        }
    }
    flow_prepare(table, segments, COUNT, lookups);
    flow_look_up(table, segments, lookups, changes, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        const bool is_there = 1 + i % 30 <= ADDED;
        ck_assert_ptr_eq(lookups[i].flow, flow_find(table, &segments[i], lookups[i].hash));
        ck_assert_int_eq(lookups[i].flow != NULL, is_there);
        ck_assert_int_eq(lookups[i].from_low, flow_is_from_low(&segments[i]));
        ck_assert(lookups[i].answers);
        ck_assert_int_eq(lookups[i].listener != NULL, i % 2 == 0);
        if (lookups[i].listener)
            flow_listener_answered(lookups[i].listener);
    }
    size_t count;
    struct fw_listener *listeners = flow_listeners(table, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(listeners[0].synacks, 1 + COUNT / 2);
    free(listeners);
    flow_table_destroy(table);
}
END_TEST

START_TEST(another_hash_key_gives_other_hashes)
{
    static const uint8_t another[16] = "0123456789abcdeg";
    struct flow_table *one = make_table(hash_key, false);
    struct flow_table *other = make_table(another, false);
    unsigned same = 0;

    for (unsigned n = 0; n < 1000; n++) {
        const struct fw_segment nth = nth_segment(n);
        same += flow_hash(one, &nth) == flow_hash(other, &nth);
    }
    ck_assert_uint_lt(same, 3);
    flow_table_destroy(one);
    flow_table_destroy(other);
}
END_TEST

/* --------------------------------------------------------------------------------- table -- */

START_TEST(flows_are_found_until_they_are_removed)
{
    enum { FLOWS = 2000 }; /* several slabs, several doublings of the buckets */
    struct flow_table *table = make_table(hash_key, false);

    for (unsigned n = 1; n <= FLOWS; n++) {
        ck_assert_ptr_null(find(table, n));
        ck_assert_ptr_nonnull(add(table, n, n));
    }
    ck_assert_uint_eq(flow_count(table), FLOWS);
    for (unsigned n = 1; n <= FLOWS; n += 2)
        flow_remove(table, find(table, n));
    ck_assert_uint_eq(flow_count(table), FLOWS / 2);
    for (unsigned n = 1; n <= FLOWS; n++) {
        struct flow *flow = find(table, n);
        if (n % 2)
            ck_assert_ptr_null(flow);
        else
            ck_assert_uint_eq(flow_id(flow), n);
    }
    flow_table_destroy(table);
}
END_TEST

START_TEST(a_flow_begins_anew_although_its_memory_was_used)
{
    struct flow_table *table = make_table(hash_key, false);
    struct flow *flow = add(table, 1, 5);

    flow_body(flow)->held = calloc(1, sizeof(struct held)); /* goes with the flow */
    flow->client_is_low = true;
    flow_remove(table, flow);
    flow = add(table, 2, 6);
    ck_assert_int_eq(flow->form, FLOW_WHOLE);
    ck_assert_ptr_null(flow_body(flow)->held);
    ck_assert(!flow->client_is_low);
    ck_assert_int_eq(flow->queued, 6);
    ck_assert_int_eq(flow->queue, FLOW_OPEN);
    flow_table_destroy(table);
}
END_TEST

START_TEST(removed_flows_give_their_memory_to_new_ones)
{
    struct flow_table *table = make_table(hash_key, false);

    for (unsigned n = 1; n <= 600; n++)
        add(table, n, 0);
    const size_t bytes = flow_memory_bytes(table);
    for (unsigned n = 1; n <= 100000; n++) {
        flow_remove(table, find(table, n));
        ck_assert_ptr_nonnull(add(table, n + 600, 0));
    }
    ck_assert_uint_lt(flow_memory_bytes(table), bytes + bytes / 4); /* more buckets, perhaps */
    flow_table_destroy(table);
}
END_TEST

START_TEST(sorted_is_in_order_of_id)
{
    struct flow_table *table = make_table(hash_key, false);
    size_t count;

    ck_assert_ptr_null(flow_sorted(table, &count));
    ck_assert_uint_eq(count, 0);
    for (unsigned n = 500; n >= 1; n--)
        add(table, n, 0);
    struct flow **sorted = flow_sorted(table, &count);
    ck_assert_uint_eq(count, 500);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(flow_id(sorted[i]), i + 1);
    free(sorted);
    flow_table_destroy(table);
}
END_TEST

START_TEST(sorted_is_in_order_of_id_also_where_ids_lie_far_apart)
{
    struct flow_table *table = make_table(hash_key, false);
    size_t count;

    for (unsigned n = 40; n >= 1; n--)
        flow_body(add(table, n, 0))->id = (uint64_t)n * n * n << 20;
    struct flow **sorted = flow_sorted(table, &count);
    ck_assert_uint_eq(count, 40);
    for (uint64_t i = 0; i < count; i++)
        ck_assert_uint_eq(flow_id(sorted[i]), (i + 1) * (i + 1) * (i + 1) << 20);
    free(sorted);
    flow_table_destroy(table);
}
END_TEST

START_TEST(a_table_that_expects_many_holds_them_and_is_emptied)
{
    enum { FLOWS = 100000 };
    struct flow_table *table = make_table(hash_key, false);

    flow_expect(table, 1000000);
    for (int round = 0; round < 2; round++) {
        for (unsigned n = 1; n <= FLOWS; n++)
            ck_assert_ptr_nonnull(add(table, n, 0));
        for (unsigned n = 1; n <= FLOWS; n++)
            ck_assert_uint_eq(flow_id(find(table, n)), n);
        for (unsigned n = 1; n <= FLOWS; n++) /* one by one, then all at once */
            if (round == 0)
                flow_remove(table, find(table, n));
            else
                flow_forget(table, find(table, n));
        ck_assert_uint_eq(flow_count(table), 0);
    }
    flow_clear(table);
    for (unsigned n = 1; n <= FLOWS; n++)
        ck_assert_ptr_null(find(table, n));
    ck_assert_ptr_nonnull(add(table, 1, 0));
    flow_table_destroy(table);
}
END_TEST

/* Every stub that once was there has left no trace in its lines. */
static void expect_no_trace(const struct stub_table *table)
{
    static const struct stub_line none;
    for (size_t i = 0; i < FLOW_SHARDS; i++) {
        ck_assert_uint_eq(table->shards[i].count, 0);
        for (size_t line = 0; line < table->shards[i].line_count; line++) {
            ck_assert_mem_eq(table->shards[i].lines[line].tags, none.tags, sizeof(none.tags));
            ck_assert_uint_eq(table->shards[i].lines[line].beyond, 0);
        }
    }
}

/* Alone: lines grow out of those that were made for `expected`, or of `most` bytes. */
static void fill_and_empty(uint64_t expected, size_t most)
{
    enum { STUBS = 200000 };
    static struct stub_table table;
    static struct flow *stubs[STUBS + 1];
    struct budget budget = { .most = most };
    struct arena arena;
    unsigned added = 0;

    arena_init(&arena, &budget);
    stubs_init(&table, &arena, &budget);
    stubs_expect(&table, expected);
    for (unsigned n = 1; n <= STUBS; n++, added++) {
        const struct fw_segment nth = nth_segment(n);
        stubs[n] = stub_take(&table, flow_key_hash((const uint64_t[2]){ 1, 2 }, &nth), FW_IPV4,
                             sizeof(struct flow_syn));
        if (!stubs[n])
            break;
        stubs[n]->form = FLOW_LONE_SYN;
        flow_key_of(&nth, &stubs[n]->key);
        stub_link(&table, stubs[n]);
    }
    ck_assert_uint_eq(added == STUBS, most == 0);
    ck_assert_uint_gt(added, STUBS / 10);
    ck_assert(most == 0 || stubs_memory_bytes(&table) <= most / 4 * 3);
    for (unsigned n = 1; n <= added; n++) {
        const struct fw_segment nth = nth_segment(n);
        ck_assert_ptr_eq(stub_find(&table, &nth, stubs[n]->hash), stubs[n]);
    }
    ck_assert_uint_le(table.steps_peak, 12);
    for (unsigned n = 1; n <= added; n++)
        stub_remove(&table, stubs[n]);
    expect_no_trace(&table);
    stubs_clear(&table);
    arena_clear(&arena);
}

START_TEST(lines_are_as_new_when_all_have_gone)
{
    fill_and_empty(0, 0);
    fill_and_empty(150000, 0);
    fill_and_empty(150000, 8 << 20);
}
END_TEST

/* As under a flood: each that comes takes the place of the oldest. `expected`: 0: it is a surprise.
 */
static void come_and_go(uint64_t expected)
{
    enum { AT_ONCE = 10000, IN_ALL = 5 * AT_ONCE };
    struct flow_table *table = make_table(hash_key, false);

    flow_expect(table, expected);
    for (unsigned n = 1; n <= IN_ALL; n++) {
        if (n > AT_ONCE) {
            ck_assert_ptr_eq(flow_oldest(table, FLOW_SYN), find(table, n - AT_ONCE));
            flow_remove(table, find(table, n - AT_ONCE));
            ck_assert_ptr_null(find(table, n - AT_ONCE));
        }
        ck_assert_ptr_null(find(table, n));
        ck_assert_ptr_nonnull(add_syn(table, n));
        ck_assert_uint_eq(flow_id(find(table, n)), n);
    }
    ck_assert_uint_eq(flow_count(table), AT_ONCE);
    for (unsigned n = IN_ALL - AT_ONCE + 1; n <= IN_ALL; n++)
        ck_assert_uint_eq(flow_id(find(table, n)), n);
    ck_assert_uint_le(flow_bucket_peak(table), 30);
    flow_table_destroy(table);
}

START_TEST(stubs_are_found_however_many_come_and_go)
{
    come_and_go(0);
    come_and_go(300000);
}
END_TEST

START_TEST(whoever_knows_the_key_is_seen_and_served)
{
    enum { ALIKE = 700 };
    struct flow_table *table = make_table(hash_key, false);
    const struct flow_syn syn = { 0 };

    for (unsigned n = 1; n <= ALIKE; n++) {
        const struct fw_segment nth = nth_segment(n);
        ck_assert_ptr_nonnull(flow_add_syn(table, &nth, 4711, 0, &syn));
        ck_assert(n < 31 || flow_bucket_peak(table) > 30);
    }
    for (int round = 0; round < 2; round++)
        for (unsigned n = 1 + (unsigned)round; n <= ALIKE; n += 2) {
            const struct fw_segment nth = nth_segment(n);
            struct flow *flow = flow_find(table, &nth, 4711);
            ck_assert_ptr_nonnull(flow);
            flow_remove(table, flow);
            ck_assert_ptr_null(flow_find(table, &nth, 4711));
        }
    ck_assert_uint_eq(flow_count(table), 0);
    flow_table_destroy(table);
}
END_TEST

/* --------------------------------------------------------------------------------- forms -- */

START_TEST(a_lone_syn_is_given_back_as_it_was)
{
    struct flow_table *table = make_table(hash_key, false);
    const struct fw_segment first = segment(endpoint(1, 7), endpoint(2, 80));
    const struct flow_syn syn = { .id = 7, .frame = 9, .seq = 1, .window = 65535, .options = 255 };
    struct flow_syn back;

    struct flow *flow = flow_add_syn(table, &first, flow_hash(table, &first), 100, &syn);
    ck_assert_ptr_nonnull(flow);
    ck_assert_int_eq(flow->form, FLOW_LONE_SYN);
    ck_assert(flow_stub_count(table, FLOW_SYN) && !flow_live_count(table, FLOW_SYN));
    ck_assert_uint_eq(flow_id(flow), 7);
    ck_assert_ptr_eq(find(table, 7), flow);
    flow->client_is_low = true;
    flow = flow_expand(table, flow, flow->queued, &back);
    ck_assert_ptr_nonnull(flow);
    ck_assert_ptr_eq(find(table, 7), flow);
    ck_assert_int_eq(flow->form, FLOW_WHOLE);
    ck_assert_int_eq(flow->queued, 100);
    ck_assert(flow->client_is_low);
    ck_assert(!flow_stub_count(table, FLOW_SYN) && flow_live_count(table, FLOW_SYN));
    ck_assert_mem_eq(&back, &syn, sizeof(syn));
    flow_enqueue(table, flow, FLOW_OPEN, 200);
    ck_assert(!flow_live_count(table, FLOW_SYN) && flow_live_count(table, FLOW_OPEN));
    flow_remove(table, flow);
    ck_assert(!flow_live_count(table, FLOW_OPEN));
    ck_assert_uint_eq(flow_count(table), 0);
    flow_table_destroy(table);
}
END_TEST

/* What is packed comes back, but for what nothing reads: ACK numbers beyond `ack_count`, and a
 * doubt that is over. */
static void pack_and_compare(struct flow_body *body)
{
    uint8_t packed[FLOW_PACKED_MOST];
    struct flow_body back = { 0 };
    const fw_time queued = body->tcp.first_time ^ 12345;
    const size_t bytes = flow_pack(body, queued, packed);

    ck_assert_uint_le(bytes, sizeof(packed));
    ck_assert_uint_eq(flow_packed_id(packed), body->id);
    flow_unpack(packed, bytes, queued, &back);
    if (!body->tcp.in_doubt)
        memset(&body->tcp.doubt, 0, sizeof(body->tcp.doubt));
    for (int side = 0; side < 2; side++) {
        struct tcp_end *end = &body->tcp.end[side];
        for (size_t i = end->ack_count; i < TCP_RECENT_ACKS; i++)
            end->acks[i] = back.tcp.end[side].acks[i];
    }
    ck_assert_mem_eq(&back, body, sizeof(back));
}

START_TEST(whatever_is_packed_comes_back)
{
    static const uint8_t densities[] = { 0, 20, 128, 255 };
    uint32_t random = 1;

    for (int round = 0; round < 4000; round++) {
        struct flow_body body;
        uint8_t *bytes = (uint8_t *)&body;
        for (size_t i = 0; i < sizeof(body); i++) {
            random = random * 1664525 + 1013904223;
            bytes[i] = random >> 24 <= densities[round % 4] ? (uint8_t)(random >> 16) : 0;
        }
        body.held = NULL;
        body.id &= UINT64_MAX >> (64 - FLOW_PACKED_ID_BITS);
        body.tcp.in_doubt = round % 8 > 3;
        body.tcp.end[0].ack_count %= TCP_RECENT_ACKS + 1;
        body.tcp.end[1].ack_count %= TCP_RECENT_ACKS + 1;
        pack_and_compare(&body);
    }
}
END_TEST

START_TEST(a_folded_flow_keeps_its_id_and_its_body)
{
    struct flow_table *table = make_table(hash_key, false);
    struct flow *flow = add(table, 7, 100);
    struct fw_segment syn = segment(endpoint(1, 7), endpoint(2, 80));
    struct tcp_result result;

    syn.flags = FW_SYN;
    syn.seq = 12345;
    flow_body(flow)->first_frame = flow_body(flow)->last_frame = 3;
    tcp_init(&flow_body(flow)->tcp, &syn);
    tcp_step(&flow_body(flow)->tcp, FW_CLIENT, &syn, &result);
    const struct flow_body before = *flow_body(flow);
    const size_t bytes = flow_memory_bytes(table);
    ck_assert(flow_live_count(table, FLOW_OPEN));
    flow->client_is_low = true;
    flow = flow_fold(table, flow);
    ck_assert_int_eq(flow->form, FLOW_PACKED);
    ck_assert_ptr_eq(find(table, 7), flow);
    ck_assert(flow_stub_count(table, FLOW_OPEN) && !flow_live_count(table, FLOW_OPEN));
    ck_assert_uint_lt(flow->content_bytes, sizeof(before) / 3);
    ck_assert_uint_eq(flow_id(flow), 7);
    ck_assert_uint_ge(flow_memory_bytes(table), bytes);
    flow = flow_expand(table, flow, flow->queued, NULL);
    ck_assert_ptr_eq(find(table, 7), flow);
    ck_assert(flow->client_is_low);
    ck_assert_int_eq(flow->queued, 100);
    ck_assert_mem_eq(&flow_body(flow)->tcp.end[0].iss, &before.tcp.end[0].iss, 4);
    ck_assert_int_eq(flow_body(flow)->tcp.end[0].state, FW_SYN_SENT);
    ck_assert_uint_eq(flow_body(flow)->first_frame, 3);
    flow_table_destroy(table);
}
END_TEST

/* -------------------------------------------------------------------------------- queues -- */

START_TEST(queues_give_the_oldest_first)
{
    struct flow_table *table = make_table(hash_key, false);

    for (int queue = 0; queue < FLOW_QUEUE_COUNT; queue++)
        ck_assert_ptr_null(flow_oldest(table, (enum flow_queue)queue));
    struct flow *first = add(table, 1, 10);
    struct flow *second = add(table, 2, 20);
    struct flow *third = add(table, 3, 30);
    ck_assert_ptr_eq(flow_oldest(table, FLOW_OPEN), first);

    flow_enqueue(table, first, FLOW_OPEN, 40); /* to the end of its own queue */
    ck_assert_ptr_eq(flow_oldest(table, FLOW_OPEN), second);
    flow_enqueue(table, second, FLOW_TIME_WAIT, 50);
    ck_assert_ptr_eq(flow_oldest(table, FLOW_OPEN), third);
    ck_assert_ptr_eq(flow_oldest(table, FLOW_TIME_WAIT), second);
    ck_assert_int_eq(second->queued, 50);
    flow_remove(table, third);
    ck_assert_ptr_eq(flow_oldest(table, FLOW_OPEN), first);
    flow_remove(table, first);
    ck_assert_ptr_null(flow_oldest(table, FLOW_OPEN));
    flow_remove(table, second);
    ck_assert_ptr_null(flow_oldest(table, FLOW_TIME_WAIT));
    flow_table_destroy(table);
}
END_TEST

/* ----------------------------------------------------------------------------- listeners -- */

START_TEST(listeners_come_with_most_answers_first_then_by_address_and_port)
{
    struct flow_table *table = make_table(hash_key, false);
    const struct fw_endpoint servers[] = { endpoint(2, 80), endpoint(2, 22), endpoint(1, 80) };
    const unsigned answers[] = { 1, 1, 3 };
    size_t count;

    ck_assert_ptr_null(flow_listeners(table, &count));
    for (size_t i = 0; i < 3; i++)
        for (unsigned n = 0; n < answers[i]; n++) {
            const struct fw_identity identity = { .id = n, .server = servers[i] };
            ck_assert_int_eq(flow_note_listener(table, &identity, 0), 0);
        }
    struct fw_listener *listeners = flow_listeners(table, &count);
    ck_assert_uint_eq(count, 3);
    ck_assert_mem_eq(&listeners[0].endpoint, &servers[2], sizeof(servers[2]));
    ck_assert_uint_eq(listeners[0].synacks, 3);
    ck_assert_mem_eq(&listeners[1].endpoint, &servers[1], sizeof(servers[1]));
    ck_assert_mem_eq(&listeners[2].endpoint, &servers[0], sizeof(servers[0]));
    free(listeners);
    flow_table_destroy(table);
}
END_TEST

START_TEST(a_listener_in_another_vlan_is_another_one)
{
    struct flow_table *table = make_table(hash_key, false);
    struct fw_identity identity = { .server = endpoint(1, 80) };
    size_t count;

    flow_note_listener(table, &identity, 0);
    flow_note_listener(table, &identity, 0);
    free(flow_listeners(table, &count));
    ck_assert_uint_eq(count, 1);
    identity.scope.vlan = 3;
    flow_note_listener(table, &identity, 0);
    free(flow_listeners(table, &count));
    ck_assert_uint_eq(count, 2);
    flow_table_destroy(table);
}
END_TEST

/* ------------------------------------------------------------------------- out of memory -- */

/* Memory runs out at every allocation in turn: what was there stays, nothing exits. `add_one`: what
 * is live, or a stub. */
static void run_out(struct flow *(*add_one)(struct flow_table *, unsigned), bool interop)
{
    enum { FLOWS = 1500 };

    for (size_t nth = 1;; nth++) {
        allocations_fail_from(nth);
        struct flow_table *table = make_table(hash_key, interop);
        unsigned added = 0;
        if (table)
            while (added < FLOWS && add_one(table, added + 1))
                added++;
        const bool failed = allocations_have_failed();
        allocations_fail_from(0);
        ck_assert(failed || added == FLOWS); /* a table that could not grow is slower only */
        if (table) {
            ck_assert_uint_eq(flow_count(table), added);
            for (unsigned n = 1; n <= added; n++)
                ck_assert_ptr_nonnull(find(table, n));
            ck_assert_ptr_null(find(table, added + 1));
            ck_assert_ptr_nonnull(add_one(table, added + 1)); /* there is memory again */
        }
        flow_table_destroy(table);
        if (!failed)
            return;
        if (nth > 40)
            nth += interop ? 96 : add_one == add_syn ? 12 : 0; /* one is like another */
    }
}

START_TEST(a_failed_add_leaves_the_table_as_it_was)
{
    run_out(add_live, false);
    run_out(add_live, true);
    run_out(add_syn, false);
}
END_TEST

START_TEST(a_failed_listener_is_an_error_and_no_exit)
{
    for (size_t nth = 1;; nth++) {
        struct flow_table *table = make_table(hash_key, false);
        int noted = 0;
        size_t count;

        allocations_fail_from(nth);
        for (uint16_t port = 1; port <= 400 && noted == 0; port++) {
            const struct fw_identity identity = { .server = endpoint(1, port) };
            noted = flow_note_listener(table, &identity, 0);
        }
        const bool failed = allocations_have_failed();
        allocations_fail_from(0);
        ck_assert_int_eq(noted, failed ? -ENOMEM : 0);
        free(flow_listeners(table, &count));
        flow_table_destroy(table);
        if (!failed)
            return;
    }
}
END_TEST

START_TEST(destroying_nothing_is_fine)
{
    flow_table_destroy(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        both_directions_have_one_key_and_the_lower_end_first,
        the_same_address_is_told_apart_by_port,
        whatever_is_part_of_the_identity_is_part_of_the_key,
        what_is_no_part_of_the_identity_is_no_part_of_the_key,
        identity_gives_back_what_the_key_took,
        both_directions_have_one_hash_and_each_part_of_the_key_changes_it,
        a_batch_is_looked_up_as_one_by_one,
        another_hash_key_gives_other_hashes,
        flows_are_found_until_they_are_removed,
        a_flow_begins_anew_although_its_memory_was_used,
        sorted_is_in_order_of_id_also_where_ids_lie_far_apart,
        a_table_that_expects_many_holds_them_and_is_emptied,
        lines_are_as_new_when_all_have_gone,
        stubs_are_found_however_many_come_and_go,
        whoever_knows_the_key_is_seen_and_served,
        a_lone_syn_is_given_back_as_it_was,
        whatever_is_packed_comes_back,
        a_folded_flow_keeps_its_id_and_its_body,
        removed_flows_give_their_memory_to_new_ones,
        sorted_is_in_order_of_id,
        queues_give_the_oldest_first,
        listeners_come_with_most_answers_first_then_by_address_and_port,
        a_listener_in_another_vlan_is_another_one,
        a_failed_add_leaves_the_table_as_it_was,
        a_failed_listener_is_an_error_and_no_exit,
        destroying_nothing_is_fine,
    };
    return UNIT_RUN("flow", tests);
}
