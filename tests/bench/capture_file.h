/* Writes a capture, in large blocks: pcap or pcapng, plain or zstd, as the end of its name says. */
#ifndef FINWAIT_BENCH_CAPTURE_FILE_H
#define FINWAIT_BENCH_CAPTURE_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct capture_file;

/* NULL: it cannot be opened, or its name is not of a kind that can be written; *error says why. */
struct capture_file *capture_file_create(const char *name, uint32_t snaplen, const char **error);

/* Room for a frame of `bytes` at most, then what it was. Times are in microseconds since 1970. */
uint8_t *capture_file_reserve(struct capture_file *file, uint32_t bytes);
void capture_file_add(struct capture_file *file, int64_t time_us, uint32_t captured, uint32_t sent);

/* Writes what is left and closes. False: something could not be written (errno). */
bool capture_file_close(struct capture_file *file);

#endif
