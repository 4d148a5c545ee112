#include "resolve.h"

#include "helper.h"

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

/* What the helper is asked, and what it says. */
struct question {
    struct fw_endpoint endpoint;
    bool service; /* of its port; else the name of the host */
};
struct answer {
    bool known;
    char name[256];
};

struct resolver {
    struct helper *helper;
    struct entry hosts[SLOTS];    /* endpoint.port is 0 */
    struct entry services[SLOTS]; /* only endpoint.port counts */
    char text[2 * sizeof((struct answer *)0)->name + 4];
};

/* --------------------------------------------------------------------------------- the helper --
 */

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

static bool is_number(const char *text)
{
    return strspn(text, "0123456789") == strlen(text);
}

static bool serve(void *context, const void *request, int to)
{
    struct answer answer = { 0 };
    struct sockaddr_storage storage;
    struct question question;
    char name[NI_MAXHOST] = "";

    (void)context;
    memcpy(&question, request, sizeof question);
    const socklen_t length = to_sockaddr(&question.endpoint, &storage);
    const struct sockaddr *address = (const struct sockaddr *)&storage;
    if (question.service)
        answer.known =
            getnameinfo(address, length, NULL, 0, name, sizeof name, 0) == 0 && !is_number(name);
    else
        answer.known = getnameinfo(address, length, name, sizeof name, NULL, 0, NI_NAMEREQD) == 0;
    snprintf(answer.name, sizeof answer.name, "%.255s", name);
    return helper_write(to, &answer, sizeof answer);
}

static const struct helper_service name_service = {
    .request_bytes = sizeof(struct question),
    .serve = serve,
};

/* --------------------------------------------------------------------------------- the parent --
 */

struct resolver *resolver_create(enum sandbox_mode mode, const char *user, char *error, char *hint)
{
    const struct sandbox_plan plan = { .mode = mode, .role = SANDBOX_NAMES, .user = user };
    struct resolver *resolver = calloc(1, sizeof *resolver);

    if (!resolver) {
        strcpy(error, "out of memory");
        hint[0] = '\0';
        return NULL;
    }
    resolver->helper = helper_start(&name_service, NULL, &plan, error, hint);
    if (resolver->helper)
        return resolver;
    free(resolver);
    return NULL;
}

/* NULL: it has no name. */
static char *ask(struct resolver *resolver, const struct fw_endpoint *endpoint, bool of_service)
{
    struct question question; /* goes to another process: no bytes of ours in its gaps */
    struct answer answer;

    memset(&question, 0, sizeof question);
    question.endpoint = *endpoint;
    question.service = of_service;
    if (!helper_ask(resolver->helper, &question) ||
        !helper_read(resolver->helper, &answer, sizeof answer) || !answer.known)
        return NULL;
    answer.name[sizeof answer.name - 1] = '\0';
    return strdup(answer.name);
}

void resolver_destroy(struct resolver *resolver)
{
    if (!resolver)
        return;
    for (size_t i = 0; i < SLOTS; i++) {
        free(resolver->hosts[i].host);
        free(resolver->services[i].service);
    }
    helper_stop(resolver->helper);
    free(resolver);
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
    struct fw_endpoint key = *endpoint;

    key.port = 0;
    if (entry->used && memcmp(&entry->endpoint, &key, sizeof key) == 0)
        return entry->host;
    free(entry->host);
    *entry = (struct entry){ .used = true, .endpoint = key };
    entry->host = ask(resolver, &key, false);
    return entry->host;
}

static const char *service_name(struct resolver *resolver, uint16_t port)
{
    struct entry *entry = &resolver->services[port % SLOTS];
    const struct fw_endpoint any = { .family = FW_IPV4, .port = port };

    if (entry->used && entry->endpoint.port == port)
        return entry->service;
    free(entry->service);
    *entry = (struct entry){ .used = true, .endpoint = any };
    entry->service = ask(resolver, &any, true);
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
