/* Any text as a BPF filter, matched against what stands behind the first NUL byte: link type and
 * bytes of a packet. */
#include "harness.h"
#include "source.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

/* In place of the system's, for libpcap: no name server is asked, and no host has a name. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)name;
    (void)service;
    (void)hints;
    *result = NULL;
    return EAI_NONAME;
}

struct hostent *gethostbyname(const char *name)
{
    (void)name;
    return NULL;
}

int getnetbyname_r(const char *name, struct netent *net, char *room, size_t bytes,
                   struct netent **result, int *error)
{
    (void)name;
    (void)net;
    (void)room;
    (void)bytes;
    *result = NULL;
    *error = HOST_NOT_FOUND;
    return 0;
}

void fuzz_one(const uint8_t *data, size_t size)
{
    char *expression = fuzz_text(data, size);
    struct source_fault fault = { 0 };

    if (!expression)
        return;
    const size_t bytes = strlen(expression);
    struct filter *filter = filter_create(expression, &fault);
    FUZZ_CHECK(filter || fault.kind == SOURCE_FAULT_UNREADABLE || fuzz_memory_ran_out());
    FUZZ_CHECK(filter || *fault.text);
    if (filter && bytes + 2 < size) {
        const size_t captured = size - bytes - 2;
        uint8_t *content = malloc(captured); /* of exactly its size */
        const struct fw_packet packet = {
            .data = content,
            .captured_bytes = (uint32_t)captured,
            .sent_bytes = (uint32_t)captured + 10,
            .link_type = data[bytes + 1],
        };
        if (content) {
            memcpy(content, data + bytes + 2, captured);
            const bool matches = filter_match(filter, &packet);
            FUZZ_CHECK(filter_match(filter, &packet) == matches || fuzz_memory_ran_out());
            FUZZ_CHECK(!filter_fault(filter, 0, &fault) || (!matches && *fault.text));
        }
        free(content);
    }
    filter_destroy(filter);
    free(expression);
}
