#include "resolve.h"

#include "addr.h"
#include "unit.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

START_TEST(a_service_has_a_name_the_second_time_too)
{
    /* Where /etc/hosts and /etc/services are missing there is no name: nothing to compare. */
    char error[512], hint[512];
    struct resolver *resolver = resolver_create(true, SANDBOX_OFF, NULL, error, hint);
    struct fw_endpoint endpoint;

    ck_assert(endpoint_parse("127.0.0.1:22", 12, &endpoint));
    for (int i = 0; i < 2; i++) {
        const char *name = resolver_name(resolver, &endpoint);

        if (name && !strstr(name, ":22"))
            ck_assert_str_eq(name + strlen(name) - 4, ":ssh");
    }
    resolver_destroy(resolver);
    resolver_destroy(NULL);
}
END_TEST

START_TEST(the_loopback_of_both_families_can_be_asked_for)
{
    char error[512], hint[512];
    struct resolver *resolver = resolver_create(true, SANDBOX_OFF, NULL, error, hint);
    struct fw_endpoint endpoint;

    ck_assert(endpoint_parse("127.0.0.1:65111", 15, &endpoint));
    const char *name = resolver_name(resolver, &endpoint);
    if (name)
        ck_assert_str_eq(name + strlen(name) - 6, ":65111");
    ck_assert(endpoint_parse("[::1]:65111", 11, &endpoint));
    name = resolver_name(resolver, &endpoint);
    if (name)
        ck_assert_str_eq(name + strlen(name) - 6, ":65111");
    resolver_destroy(resolver);
}
END_TEST

START_TEST(whoever_does_not_wait_has_the_name_later)
{
    char error[512], hint[512], expected[512];
    struct resolver *waits = resolver_create(true, SANDBOX_OFF, NULL, error, hint);
    struct resolver *hurries = resolver_create(false, SANDBOX_OFF, NULL, error, hint);
    struct fw_endpoint endpoint;

    ck_assert(endpoint_parse("127.0.0.1:22", 12, &endpoint));
    const char *name = resolver_name(waits, &endpoint);
    snprintf(expected, sizeof expected, "%s", name ? name : "");
    ck_assert_ptr_null(resolver_name(hurries, &endpoint)); /* nothing can be known yet */
    for (int i = 0; i < 1000 && *expected; i++) {
        name = resolver_name(hurries, &endpoint);
        if (name && strcmp(name, expected) == 0)
            break;
        poll(NULL, 0, 10);
    }
    ck_assert_str_eq(name ? name : "", expected);
    resolver_destroy(hurries);
    resolver_destroy(waits);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_service_has_a_name_the_second_time_too,
        the_loopback_of_both_families_can_be_asked_for,
        whoever_does_not_wait_has_the_name_later,
    };
    return UNIT_RUN("resolve", tests);
}
