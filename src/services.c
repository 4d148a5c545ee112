#include "services.h"

#include <string.h>

static const struct {
    const char *name;
    uint16_t port;
} services[] = {
    /* clang-format off */
    { "ftp-data", 20 }, { "ftp", 21 }, { "ssh", 22 }, { "telnet", 23 }, { "smtp", 25 },
    { "time", 37 }, { "whois", 43 }, { "tacacs", 49 }, { "domain", 53 }, { "dns", 53 },
    { "gopher", 70 }, { "finger", 79 }, { "http", 80 }, { "www", 80 }, { "kerberos", 88 },
    { "pop3", 110 }, { "sunrpc", 111 }, { "ident", 113 }, { "nntp", 119 }, { "ntp", 123 },
    { "epmap", 135 }, { "netbios-ssn", 139 }, { "imap", 143 }, { "imap2", 143 }, { "snmp", 161 },
    { "bgp", 179 }, { "irc", 194 }, { "ldap", 389 }, { "https", 443 }, { "microsoft-ds", 445 },
    { "smtps", 465 }, { "submissions", 465 }, { "exec", 512 }, { "login", 513 }, { "shell", 514 },
    { "printer", 515 }, { "rtsp", 554 }, { "submission", 587 }, { "ipp", 631 }, { "ldaps", 636 },
    { "domain-s", 853 }, { "rsync", 873 }, { "ftps", 990 }, { "imaps", 993 }, { "pop3s", 995 },
    { "socks", 1080 }, { "ms-sql-s", 1433 }, { "mqtt", 1883 }, { "nfs", 2049 },
    { "docker", 2375 }, { "etcd-client", 2379 }, { "mysql", 3306 }, { "ms-wbt-server", 3389 },
    { "rdp", 3389 }, { "iscsi-target", 3260 }, { "svn", 3690 }, { "postgresql", 5432 },
    { "sip", 5060 }, { "xmpp-client", 5222 }, { "amqps", 5671 }, { "amqp", 5672 },
    { "x11", 6000 }, { "redis", 6379 }, { "http-alt", 8080 }, { "secure-mqtt", 8883 },
    { "git", 9418 }, { "memcached", 11211 }, { "mongodb", 27017 },
    /* clang-format on */
};
static const size_t service_count = sizeof services / sizeof services[0];

bool service_find(const char *name, size_t length, uint16_t *port)
{
    for (size_t i = 0; i < service_count; i++) {
        if (strlen(services[i].name) == length && memcmp(services[i].name, name, length) == 0) {
            *port = services[i].port;
            return true;
        }
    }
    return false;
}

const char *service_name(size_t index)
{
    return index < service_count ? services[index].name : NULL;
}
