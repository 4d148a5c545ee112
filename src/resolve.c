#include "resolve.h"

#include "helper.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A cache of sets: in each the one that was not wanted for longest goes, nothing grows. */
enum { SETS = 512, WAYS = 8, ASKED_MOST = 64 };

struct entry {
    struct fw_endpoint endpoint;
    char *name;      /* NULL: has none, or it is not known yet */
    uint64_t wanted; /* the newest is the highest; 0: not used */
    bool is_asked;   /* not answered yet */
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
    bool waits;
    struct entry hosts[SETS][WAYS];    /* endpoint.port is 0 */
    struct entry services[SETS][WAYS]; /* of any address: only endpoint.port counts */
    uint64_t wanted;
    struct question asked[ASKED_MOST]; /* not answered yet, in a ring */
    size_t oldest, asked_count;
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

struct resolver *resolver_create(bool waits, enum sandbox_mode mode, const char *user, char *error,
                                 char *hint)
{
    const struct sandbox_plan plan = { .mode = mode, .role = SANDBOX_NAMES, .user = user };
    struct resolver *resolver = calloc(1, sizeof *resolver);

    if (!resolver) {
        strcpy(error, "out of memory");
        hint[0] = '\0';
        return NULL;
    }
    resolver->waits = waits;
    resolver->helper = helper_start(&name_service, NULL, &plan, error, hint);
    if (resolver->helper)
        return resolver;
    free(resolver);
    return NULL;
}

void resolver_destroy(struct resolver *resolver)
{
    if (!resolver)
        return;
    for (size_t i = 0; i < (size_t)SETS * WAYS; i++) {
        free(resolver->hosts[i / WAYS][i % WAYS].name);
        free(resolver->services[i / WAYS][i % WAYS].name);
    }
    helper_stop(resolver->helper);
    free(resolver);
}

static size_t set_of(const struct fw_endpoint *endpoint)
{
    uint32_t hash = UINT32_C(2166136261); /* FNV-1a: only the cache's spread depends on it */

    for (size_t i = 0; i < sizeof endpoint->addr; i++)
        hash = (hash ^ endpoint->addr[i]) * UINT32_C(16777619);
    return (hash ^ hash >> 12) % SETS;
}

/* Its entry, else *victim is the one that may go for it; NULL: all of the set are asked for. */
static struct entry *find(struct resolver *resolver, const struct question *question,
                          struct entry **victim)
{
    struct entry *set = question->service ? resolver->services[question->endpoint.port % SETS]
                                          : resolver->hosts[set_of(&question->endpoint)];

    *victim = NULL;
    for (size_t i = 0; i < WAYS; i++) {
        struct entry *entry = &set[i];
        if (entry->wanted &&
            memcmp(&entry->endpoint, &question->endpoint, sizeof entry->endpoint) == 0)
            return entry;
        if (!entry->is_asked && (!*victim || entry->wanted < (*victim)->wanted))
            *victim = entry;
    }
    return NULL;
}

/* Answers come in the order of the questions. */
static void take_answer(struct resolver *resolver)
{
    const struct question *question = &resolver->asked[resolver->oldest];
    struct answer answer;
    struct entry *victim, *entry = find(resolver, question, &victim);

    resolver->oldest = (resolver->oldest + 1) % ASKED_MOST;
    resolver->asked_count--;
    const bool is_read = helper_read(resolver->helper, &answer, sizeof answer);
    if (!entry) /* never: what is asked for stays */
        return;
    entry->is_asked = false;
    if (!is_read || !answer.known)
        return;
    answer.name[sizeof answer.name - 1] = '\0';
    entry->name = strdup(answer.name);
}

/* NULL: too many are asked for already. */
static struct entry *ask(struct resolver *resolver, const struct question *question,
                         struct entry *entry)
{
    if (!entry || resolver->asked_count == ASKED_MOST)
        return NULL;
    free(entry->name);
    *entry = (struct entry){ .endpoint = question->endpoint, .wanted = ++resolver->wanted };
    if (!helper_ask(resolver->helper, question))
        return entry;
    entry->is_asked = true;
    resolver->asked[(resolver->oldest + resolver->asked_count++) % ASKED_MOST] = *question;
    if (resolver->waits)
        take_answer(resolver);
    return entry;
}

/* The name of a host or of a port; NULL: it has none, or it is not known yet. */
static const char *name_of(struct resolver *resolver, const struct fw_endpoint *endpoint,
                           bool service)
{
    struct question question; /* goes to another process: no bytes of ours in its gaps */

    memset(&question, 0, sizeof question);
    question.service = service;
    question.endpoint.family = service ? FW_IPV4 : endpoint->family;
    if (service)
        question.endpoint.port = endpoint->port;
    else
        memcpy(question.endpoint.addr, endpoint->addr, sizeof endpoint->addr);
    struct entry *victim, *entry = find(resolver, &question, &victim);
    if (!entry && !(entry = ask(resolver, &question, victim)))
        return NULL;
    entry->wanted = ++resolver->wanted;
    return entry->name;
}

const char *resolver_name(void *context, const struct fw_endpoint *endpoint)
{
    struct resolver *resolver = context;
    char address[54];

    while (resolver->asked_count > 0 && helper_has_answer(resolver->helper))
        take_answer(resolver);
    const char *host = name_of(resolver, endpoint, false);
    const char *service = name_of(resolver, endpoint, true);
    if (!host && !service)
        return NULL;
    fw_endpoint_text(endpoint, address);
    char *port = strrchr(address, ':');
    *port++ = '\0';
    snprintf(resolver->text, sizeof resolver->text, "%s:%s", host ? host : address,
             service ? service : port);
    return resolver->text;
}
