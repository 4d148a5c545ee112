/* The pcapng format: sections of blocks; packets belong to the interfaces that their section has
 * described before them. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture_format.h"

enum block_type {
    BLOCK_SECTION = 0x0a0d0d0a, /* the same in both byte orders */
    BLOCK_INTERFACE = 1,
    BLOCK_OBSOLETE_PACKET = 2,
    BLOCK_SIMPLE_PACKET = 3,
    BLOCK_ENHANCED_PACKET = 6,
};

enum option_code { OPTION_END = 0, OPTION_IF_TSRESOL = 9, OPTION_IF_TSOFFSET = 14 };

enum {
    BYTE_ORDER_MAGIC = 0x1a2b3c4d,

    SMALLEST_BLOCK = 12, /* type, length, length again */
    SMALLEST_SECTION = 28,
    SMALLEST_INTERFACE = 20,
    SMALLEST_PACKET = 32, /* enhanced and obsolete */
    SMALLEST_SIMPLE = 16,

    INTERFACE_LIMIT = 1 << 24,
};

/* A block that is read whole: a packet with all its options. */
#define BLOCK_LIMIT (CAPTURE_PACKET_LIMIT + 1024u * 1024)

/* How ticks of an interface's clock become nanoseconds. */
enum clock { CLOCK_TIMES, CLOCK_DIVIDED, CLOCK_SHIFTED };

struct interface {
    int64_t offset_seconds;
    uint64_t factor;  /* nanoseconds a tick, ticks a nanosecond, or log2 of ticks a second */
    uint32_t snaplen; /* 0: none */
    uint16_t link_type;
    uint16_t clock; /* enum clock */
};

struct pcapng_reader {
    struct capture_reader reader;
    struct interface *interfaces; /* of this section */
    size_t interface_count, interface_room;
    uint64_t skip_bytes;     /* of a block that is not read */
    uint32_t skipped_length; /* of that block */
    fw_time last_time;
    bool swapped;
};

/* A whole block in the window. */
struct block {
    const uint8_t *body;
    uint32_t body_bytes;
    uint32_t length; /* with its framing */
};

static bool pcapng_recognise(const uint8_t *first)
{
    return capture_u32(first, false) == BLOCK_SECTION;
}

static struct capture_reader *pcapng_create(void)
{
    struct pcapng_reader *pcapng = calloc(1, sizeof *pcapng);

    if (!pcapng)
        return NULL;
    pcapng->reader.format = &pcapng_format;
    return &pcapng->reader;
}

static void pcapng_destroy(struct capture_reader *reader)
{
    struct pcapng_reader *pcapng = (struct pcapng_reader *)reader;

    if (!pcapng)
        return;
    free(pcapng->interfaces);
    free(pcapng);
}

/* ---------------------------------------------------------------------------------- damage -- */

__attribute__((format(printf, 2, 3))) static int damaged(struct pcapng_reader *pcapng,
                                                         const char *format, ...)
{
    char what[96];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(pcapng->reader.damage, sizeof pcapng->reader.damage,
             "damaged at packet %" PRIu64 " (%s)", pcapng->reader.packets + 1, what);
    return CAPTURE_DAMAGED;
}

/* ----------------------------------------------------------------------------------- clock -- */

/* frac * 10^9 / 2^shift for a fraction of a second (frac < 2^shift) */
static uint64_t binary_fraction_ns(uint64_t frac, unsigned shift)
{
    const uint64_t low = (frac & 0xffffffff) * FW_SECOND;
    const uint64_t high = (frac >> 32) * FW_SECOND + (low >> 32); /* the product without 32 bits */

    if (shift >= 96)
        return 0;
    if (shift >= 32)
        return high >> (shift - 32);
    return high << (32 - shift) | (low & 0xffffffff) >> shift;
}

static fw_time clamp_add(int64_t ns, int64_t offset_seconds, bool *odd)
{
    int64_t offset_ns, sum;

    if (!__builtin_mul_overflow(offset_seconds, FW_SECOND, &offset_ns) &&
        !__builtin_add_overflow(ns, offset_ns, &sum) && sum != INT64_MIN)
        return sum;
    *odd = true;
    return offset_seconds < 0 ? INT64_MIN + 1 : INT64_MAX; /* INT64_MIN stands for "never" */
}

/* Capture time of so many ticks. *odd is set where 64 bits of nanoseconds do not hold it. */
static inline fw_time ticks_time(const struct interface *interface, uint64_t ticks, bool *odd)
{
    uint64_t ns = 0;
    bool beyond = false;

    switch ((enum clock)interface->clock) {
    case CLOCK_TIMES:
        beyond = __builtin_mul_overflow(ticks, interface->factor, &ns);
        break;
    case CLOCK_DIVIDED:
        ns = ticks / interface->factor;
        break;
    case CLOCK_SHIFTED: {
        const unsigned shift = (unsigned)interface->factor;
        const uint64_t seconds = shift < 64 ? ticks >> shift : 0;
        const uint64_t frac = shift < 64 ? ticks & ((UINT64_C(1) << shift) - 1) : ticks;
        beyond = __builtin_mul_overflow(seconds, (uint64_t)FW_SECOND, &ns) ||
                 __builtin_add_overflow(ns, binary_fraction_ns(frac, shift), &ns);
        break;
    }
    }
    if (beyond || ns > INT64_MAX) {
        *odd = true;
        ns = INT64_MAX;
    }
    return interface->offset_seconds == 0 ? (fw_time)ns
                                          : clamp_add((int64_t)ns, interface->offset_seconds, odd);
}

/* if_tsresol: the exponent, of 2 if the upper bit is set, else of 10. */
static void set_resolution(struct interface *interface, uint8_t resolution)
{
    const unsigned exponent = resolution & 0x7f;
    uint64_t power = 1;

    if (resolution & 0x80) {
        interface->clock = CLOCK_SHIFTED;
        interface->factor = exponent;
        return;
    }
    const unsigned from_ns = exponent <= 9 ? 9 - exponent : exponent - 9;
    for (unsigned i = 0; i < from_ns && i < 19; i++)
        power *= 10;
    interface->clock = exponent <= 9 ? CLOCK_TIMES : CLOCK_DIVIDED;
    interface->factor = power;
    if (from_ns > 19) { /* 64 bits of such ticks are less than a nanosecond */
        interface->clock = CLOCK_TIMES;
        interface->factor = 0;
    }
}

/* ---------------------------------------------------------------------------------- blocks -- */

static bool is_section(const uint8_t *at)
{
    return capture_u32(at, false) == BLOCK_SECTION;
}

/* Byte order of the section that starts here. */
static bool section_order(const uint8_t *at, bool *swapped)
{
    for (int i = 0; i < 2; i++) {
        *swapped = i == 1;
        if (capture_u32(at + 8, *swapped) == BYTE_ORDER_MAGIC)
            return true;
    }
    return false;
}

static int read_section(struct pcapng_reader *pcapng, const struct block *block)
{
    if (block->length < SMALLEST_SECTION)
        return damaged(pcapng, "a section header of %" PRIu32 " bytes", block->length);
    const uint16_t major = capture_u16(block->body + 4, pcapng->swapped);
    const uint16_t minor = capture_u16(block->body + 6, pcapng->swapped);
    if (major != 1) {
        snprintf(pcapng->reader.damage, sizeof pcapng->reader.damage,
                 "version %u.%u of pcapng is not known", major, minor);
        return CAPTURE_DAMAGED;
    }
    pcapng->interface_count = 0;
    return 1;
}

static struct interface *add_interface(struct pcapng_reader *pcapng)
{
    if (pcapng->interface_count == pcapng->interface_room) {
        const size_t room = pcapng->interface_room ? pcapng->interface_room * 2 : 8;
        struct interface *grown = NULL;
        if (room <= INTERFACE_LIMIT)
            grown = realloc(pcapng->interfaces, room * sizeof *grown);
        if (!grown)
            return NULL;
        pcapng->interfaces = grown;
        pcapng->interface_room = room;
    }
    return &pcapng->interfaces[pcapng->interface_count];
}

static int read_interface_options(struct pcapng_reader *pcapng, struct interface *interface,
                                  const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 4) {
        const uint16_t code = capture_u16(at, pcapng->swapped);
        const uint16_t length = capture_u16(at + 2, pcapng->swapped);
        const uint8_t *value = at + 4;

        if (code == OPTION_END)
            break;
        if (end - value < length)
            return damaged(pcapng, "an option of interface %zu is longer than its block",
                           pcapng->interface_count);
        if (code == OPTION_IF_TSRESOL && length == 1)
            set_resolution(interface, *value);
        if (code == OPTION_IF_TSOFFSET && length == 8)
            interface->offset_seconds = (int64_t)capture_u64(value, pcapng->swapped);

        const ptrdiff_t padded = (length + 3) & ~3;
        if (end - value < padded)
            break;
        at = value + padded;
    }
    return 1;
}

static int read_interface(struct pcapng_reader *pcapng, const struct block *block)
{
    if (block->length < SMALLEST_INTERFACE)
        return damaged(pcapng, "an interface block of %" PRIu32 " bytes", block->length);
    struct interface *interface = add_interface(pcapng);
    if (!interface)
        return damaged(pcapng, "more than %zu interfaces", pcapng->interface_count);

    *interface = (struct interface){
        .link_type = capture_link_type(capture_u16(block->body, pcapng->swapped)),
        .snaplen = capture_u32(block->body + 4, pcapng->swapped),
    };
    set_resolution(interface, 6);
    const int result =
        read_interface_options(pcapng, interface, block->body + 8, block->body + block->body_bytes);
    if (result > 0)
        pcapng->interface_count++;
    return result;
}

static const struct interface *find_interface(struct pcapng_reader *pcapng, uint32_t number)
{
    if (number < pcapng->interface_count)
        return &pcapng->interfaces[number];
    damaged(pcapng, "it names interface %" PRIu32 ", %zu described before it", number,
            pcapng->interface_count);
    return NULL;
}

/* Enhanced and obsolete packet blocks differ in how wide the interface number is. */
static int read_packet(struct pcapng_reader *pcapng, const struct block *block, bool obsolete,
                       struct fw_packet *packet)
{
    const bool swapped = pcapng->swapped;
    const uint8_t *body = block->body;

    if (block->length < SMALLEST_PACKET)
        return damaged(pcapng, "a packet block of %" PRIu32 " bytes", block->length);
    packet->interface = obsolete ? capture_u16(body, swapped) : capture_u32(body, swapped);
    const struct interface *interface = find_interface(pcapng, packet->interface);
    if (!interface)
        return CAPTURE_DAMAGED;

    const uint64_t ticks =
        (uint64_t)capture_u32(body + 4, swapped) << 32 | capture_u32(body + 8, swapped);
    packet->captured_bytes = capture_u32(body + 12, swapped);
    packet->sent_bytes = capture_u32(body + 16, swapped);
    if (packet->captured_bytes > block->body_bytes - 20)
        return damaged(pcapng, "%" PRIu32 " captured bytes in a block of %" PRIu32,
                       packet->captured_bytes, block->length);

    bool odd = false;
    packet->time = ticks_time(interface, ticks, &odd);
    packet->data = body + 20;
    packet->link_type = interface->link_type;
    pcapng->reader.odd_times += odd;
    pcapng->last_time = packet->time;
    return 1;
}

/* A simple packet has no time of its own: it happened no earlier than what was captured before it.
 */
static int read_simple_packet(struct pcapng_reader *pcapng, const struct block *block,
                              struct fw_packet *packet)
{
    if (block->length < SMALLEST_SIMPLE)
        return damaged(pcapng, "a simple packet block of %" PRIu32 " bytes", block->length);
    const struct interface *interface = find_interface(pcapng, 0);
    if (!interface)
        return CAPTURE_DAMAGED;

    packet->sent_bytes = capture_u32(block->body, pcapng->swapped);
    packet->captured_bytes = packet->sent_bytes;
    if (interface->snaplen && packet->captured_bytes > interface->snaplen)
        packet->captured_bytes = interface->snaplen;
    if (packet->captured_bytes > block->body_bytes - 4)
        return damaged(pcapng, "%" PRIu32 " captured bytes in a block of %" PRIu32,
                       packet->captured_bytes, block->length);
    packet->interface = 0;
    packet->time = pcapng->last_time;
    packet->data = block->body + 4;
    packet->link_type = interface->link_type;
    return 1;
}

static bool is_packet(uint32_t type)
{
    return type == BLOCK_ENHANCED_PACKET || type == BLOCK_SIMPLE_PACKET ||
           type == BLOCK_OBSOLETE_PACKET;
}

static bool is_read(uint32_t type)
{
    return is_packet(type) || type == BLOCK_INTERFACE || type == BLOCK_SECTION;
}

/* Finds the block at the window's start: its type in *type. 1: *block is whole, or, for a type that
 * is not read, its length is known. */
static int find_block(struct pcapng_reader *pcapng, struct capture_window *window, uint32_t *type,
                      struct block *block)
{
    const size_t there = (size_t)(window->end - window->at);
    const uint8_t *at = window->at;

    window->wanted_bytes = SMALLEST_BLOCK;
    if (there < SMALLEST_BLOCK)
        return CAPTURE_MORE;
    if (is_section(at) && !section_order(at, &pcapng->swapped))
        return damaged(pcapng, "a section without byte order");
    *type = capture_u32(at, pcapng->swapped);
    block->length = capture_u32(at + 4, pcapng->swapped);
    if (block->length < SMALLEST_BLOCK || block->length % 4 != 0)
        return damaged(pcapng, "a block of %" PRIu32 " bytes", block->length);
    if (!is_read(*type))
        return 1;

    if (block->length > BLOCK_LIMIT)
        return damaged(pcapng, "a block of %" PRIu32 " bytes", block->length);
    if (there < block->length) {
        window->wanted_bytes = block->length;
        return CAPTURE_MORE;
    }
    const uint32_t again = capture_u32(at + block->length - 4, pcapng->swapped);
    if (again != block->length)
        return damaged(pcapng, "a block of %" PRIu32 " bytes says %" PRIu32 " at its end",
                       block->length, again);
    block->body = at + 8;
    block->body_bytes = block->length - SMALLEST_BLOCK;
    return 1;
}

/* Reads a whole block; one with a packet fills *packet. */
static int read_block(struct pcapng_reader *pcapng, uint32_t type, const struct block *block,
                      struct fw_packet *packet)
{
    switch (type) {
    case BLOCK_ENHANCED_PACKET:
        return read_packet(pcapng, block, false, packet);
    case BLOCK_OBSOLETE_PACKET:
        return read_packet(pcapng, block, true, packet);
    case BLOCK_SIMPLE_PACKET:
        return read_simple_packet(pcapng, block, packet);
    case BLOCK_INTERFACE:
        return read_interface(pcapng, block);
    case BLOCK_SECTION:
        return read_section(pcapng, block);
    default:
        pcapng->skip_bytes = pcapng->skipped_length = block->length;
        return 1;
    }
}

/* True when the block that is skipped has ended. */
static bool skip(struct pcapng_reader *pcapng, struct capture_window *window)
{
    const size_t there = (size_t)(window->end - window->at);
    const size_t used = pcapng->skip_bytes < there ? (size_t)pcapng->skip_bytes : there;

    window->at += used;
    pcapng->skip_bytes -= used;
    window->wanted_bytes = 1;
    return pcapng->skip_bytes == 0;
}

static int pcapng_begin(struct capture_reader *reader, struct capture_window *window)
{
    struct pcapng_reader *pcapng = (struct pcapng_reader *)reader;
    struct block block;
    uint32_t type;

    int result = find_block(pcapng, window, &type, &block);
    if (result > 0)
        result = read_section(pcapng, &block);
    if (result > 0)
        window->at += block.length;
    return result;
}

static int pcapng_next(struct capture_reader *reader, struct capture_window *window,
                       struct fw_packet *packets, int max)
{
    struct pcapng_reader *pcapng = (struct pcapng_reader *)reader;
    struct block block = { 0 };
    uint32_t type;
    int count = 0;

    while (count < max) {
        if (pcapng->skip_bytes > 0 && !skip(pcapng, window))
            break;

        int result = find_block(pcapng, window, &type, &block);
        if (result > 0)
            result = read_block(pcapng, type, &block, &packets[count]);
        if (result == CAPTURE_MORE || (result == CAPTURE_DAMAGED && count > 0))
            break; /* damage is found again by the next call, when it is the first thing */
        if (result == CAPTURE_DAMAGED)
            return CAPTURE_DAMAGED;

        if (pcapng->skip_bytes == 0)
            window->at += block.length;
        if (is_packet(type)) {
            count++;
            reader->packets++;
        }
    }
    return count;
}

static bool pcapng_cut_short(const struct capture_reader *reader,
                             const struct capture_window *window, char *text, size_t text_bytes)
{
    const struct pcapng_reader *pcapng = (const struct pcapng_reader *)reader;
    const size_t there = (size_t)(window->end - window->at);

    if (pcapng->skip_bytes > 0)
        snprintf(text, text_bytes,
                 "a block after packet %" PRIu64 " (%" PRIu32 " bytes promised, %" PRIu64 " there)",
                 reader->packets, pcapng->skipped_length,
                 pcapng->skipped_length - pcapng->skip_bytes);
    else if (there >= SMALLEST_BLOCK && is_packet(capture_u32(window->at, pcapng->swapped)))
        snprintf(text, text_bytes,
                 "the block of packet %" PRIu64 " (%zu bytes promised, %zu there)",
                 reader->packets + 1, window->wanted_bytes, there);
    else if (there > 0)
        snprintf(text, text_bytes,
                 "a block after packet %" PRIu64 " (%zu bytes promised, %zu there)",
                 reader->packets, window->wanted_bytes, there);
    else
        return false;
    return true;
}

const struct capture_format pcapng_format = {
    .name = "pcapng",
    .recognise = pcapng_recognise,
    .create = pcapng_create,
    .destroy = pcapng_destroy,
    .begin = pcapng_begin,
    .next = pcapng_next,
    .cut_short = pcapng_cut_short,
};
