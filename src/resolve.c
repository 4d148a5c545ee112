#include "resolve.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A direct-mapped cache: two endpoints in one slot ask again, nothing grows. */
enum { SLOTS = 4096 };

struct entry {
    bool used;
    struct fw_endpoint endpoint;
    char *host;    /* NULL: has no name */
    char *service; /* NULL: has no name */
};

struct resolver {
    struct entry hosts[SLOTS];    /* endpoint.port is 0 */
    struct entry services[SLOTS]; /* only endpoint.port counts */
    char text[NI_MAXHOST + NI_MAXSERV + 4];
};

struct resolver *resolver_create(void)
{
    return calloc(1, sizeof(struct resolver));
}

void resolver_destroy(struct resolver *resolver)
{
    if (!resolver)
        return;
    for (size_t i = 0; i < SLOTS; i++) {
        free(resolver->hosts[i].host);
        free(resolver->services[i].service);
    }
    free(resolver);
}

static socklen_t to_sockaddr(const struct fw_endpoint *endpoint, struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof *storage);
    if (endpoint->family == FW_IPV6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(endpoint->port);
        memcpy(&in6->sin6_addr, endpoint->addr, 16);
        return sizeof *in6;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)storage;

    in->sin_family = AF_INET;
    in->sin_port = htons(endpoint->port);
    memcpy(&in->sin_addr, endpoint->addr, 4);
    return sizeof *in;
}

static size_t slot_of(const struct fw_endpoint *endpoint)
{
    uint32_t hash = UINT32_C(2166136261); /* FNV-1a: only the cache's spread depends on it */

    for (size_t i = 0; i < sizeof endpoint->addr; i++)
        hash = (hash ^ endpoint->addr[i]) * UINT32_C(16777619);
    return (hash ^ hash >> 12) % SLOTS;
}

static const char *host_name(struct resolver *resolver, const struct fw_endpoint *endpoint)
{
    struct entry *entry = &resolver->hosts[slot_of(endpoint)];
    struct sockaddr_storage storage;
    char host[NI_MAXHOST];
    struct fw_endpoint key = *endpoint;

    key.port = 0;
    if (entry->used && memcmp(&entry->endpoint, &key, sizeof key) == 0)
        return entry->host;
    free(entry->host);
    *entry = (struct entry){ .used = true, .endpoint = key };
    const socklen_t length = to_sockaddr(endpoint, &storage);
    if (getnameinfo((struct sockaddr *)&storage, length, host, sizeof host, NULL, 0, NI_NAMEREQD) ==
        0)
        entry->host = strdup(host);
    return entry->host;
}

static const char *service_name(struct resolver *resolver, uint16_t port)
{
    struct entry *entry = &resolver->services[port % SLOTS];
    const struct fw_endpoint any = { .family = FW_IPV4, .port = port };
    struct sockaddr_storage storage;
    char service[NI_MAXSERV];

    if (entry->used && entry->endpoint.port == port)
        return entry->service;
    free(entry->service);
    *entry = (struct entry){ .used = true, .endpoint = any };
    const socklen_t length = to_sockaddr(&any, &storage);
    if (getnameinfo((struct sockaddr *)&storage, length, NULL, 0, service, sizeof service, 0) ==
            0 &&
        strspn(service, "0123456789") != strlen(service))
        entry->service = strdup(service);
    return entry->service;
}

const char *resolver_name(void *context, const struct fw_endpoint *endpoint)
{
    struct resolver *resolver = context;
    const char *host = host_name(resolver, endpoint);
    const char *service = service_name(resolver, endpoint->port);
    char address[54];

    if (!host && !service)
        return NULL;
    fw_endpoint_text(endpoint, address);
    char *port = strrchr(address, ':');
    *port++ = '\0';
    snprintf(resolver->text, sizeof resolver->text, "%s:%s", host ? host : address,
             service ? service : port);
    return resolver->text;
}
