/* For libFuzzer: changes whole rows of a script (segments.h), so that what it learned of one row
 * is not lost when another is put before it. */
#include "segments.h"

#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next_random(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t below(uint64_t *random, size_t bound)
{
    return next_random(random) % bound;
}

static uint8_t *row_at(uint8_t *data, size_t index)
{
    return data + SCRIPT_HEADER_BYTES + index * SCRIPT_ROW_BYTES;
}

/* Makes room for a row before the index-th of `rows`. */
static uint8_t *open_row(uint8_t *data, size_t rows, size_t index)
{
    uint8_t *row = row_at(data, index);

    memmove(row + SCRIPT_ROW_BYTES, row, (rows - index) * SCRIPT_ROW_BYTES);
    return row;
}

static size_t bytes_of(size_t rows)
{
    return SCRIPT_HEADER_BYTES + rows * SCRIPT_ROW_BYTES;
}

/* A likely row: its flags and numbers as they would be if all were well. */
static void compose_row(uint64_t *random, uint8_t row[SCRIPT_ROW_BYTES])
{
    static const uint8_t flags[] = { FW_SYN,          FW_SYN | FW_ACK, FW_ACK,         FW_ACK,
                                     FW_FIN | FW_ACK, FW_RST,          FW_RST | FW_ACK };

    memset(row, 0, SCRIPT_ROW_BYTES);
    row[0] = (uint8_t)below(random, 16);
    row[1] = flags[below(random, sizeof(flags))];
    row[2] = (uint8_t)(below(random, 3) ? 0 : below(random, 256));
    row[5] = (uint8_t)(below(random, 2) ? 0 : below(random, 256));
    row[6] = 255;
    row[9] = (uint8_t)below(random, 8);
    if (row[1] & FW_SYN) {
        row[2] = below(random, 2) ? BASE_LITERAL : BASE_ISS;
        row[10] = (uint8_t)below(random, 256);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    uint64_t random = seed;

    if (size < bytes_of(1) || max_size < bytes_of(2))
        return LLVMFuzzerMutate(data, size, max_size);
    size_t rows = (size - SCRIPT_HEADER_BYTES) / SCRIPT_ROW_BYTES;
    const size_t index = below(&random, rows), other = below(&random, rows);
    uint8_t copy[SCRIPT_ROW_BYTES];
    const bool full = bytes_of(rows + 1) > max_size;

    memcpy(copy, row_at(data, other), sizeof(copy));
    switch (below(&random, 8)) {
    case 0: /* one less */
        if (rows == 1)
            break;
        memmove(row_at(data, index), row_at(data, index + 1),
                (rows - index - 1) * SCRIPT_ROW_BYTES);
        return bytes_of(rows - 1);
    case 1: /* one twice */
        if (full)
            break;
        memcpy(open_row(data, rows, index), copy, sizeof(copy));
        return bytes_of(rows + 1);
    case 2: /* two exchanged */
        memcpy(row_at(data, other), row_at(data, index), sizeof(copy));
        memcpy(row_at(data, index), copy, sizeof(copy));
        return bytes_of(rows);
    case 3: /* a new one */
        if (full)
            break;
        compose_row(&random, open_row(data, rows, index));
        return bytes_of(rows + 1);
    case 4:
        LLVMFuzzerMutate(data, SCRIPT_HEADER_BYTES, SCRIPT_HEADER_BYTES);
        return bytes_of(rows);
    case 5: /* any change, as of bytes */
        return LLVMFuzzerMutate(data, size, max_size);
    default:
        break;
    }
    LLVMFuzzerMutate(row_at(data, index), SCRIPT_ROW_BYTES, SCRIPT_ROW_BYTES);
    return bytes_of(rows);
}
