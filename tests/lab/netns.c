#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

void kernel_enter(const struct kernel *kernel)
{
    if (setns(kernel->namespace_fd, CLONE_NEWNET) < 0)
        perror("lab: setns");
}

static bool write_sysctl(const char *name, const char *value)
{
    char path[128];
    snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool written = write(fd, value, strlen(value)) >= 0;
    close(fd);
    return written;
}

bool kernel_sysctl(const struct kernel *kernel, const char *name, const char *value)
{
    kernel_enter(kernel);
    return write_sysctl(name, value);
}

/* A link without chatter, and a TCP that does the same thing every time.  A kernel that lacks one
 * of these knobs is none the worse for it. */
static void calm(void)
{
    static const char *const settings[][2] = {
        { "ipv6/conf/all/accept_dad", "0" },
        { "ipv6/conf/default/accept_dad", "0" },
        { "ipv6/conf/default/dad_transmits", "0" },
        { "ipv6/conf/default/router_solicitations", "0" },
        { "ipv6/conf/default/accept_ra", "0" },
        { "ipv6/conf/default/addr_gen_mode", "1" },
        { "ipv6/conf/all/disable_ipv6", "0" },
        { "ipv6/conf/default/disable_ipv6", "0" },
        { "ipv4/tcp_congestion_control", "reno" }, /* not paced: sends when it may */
        { "ipv4/tcp_autocorking", "0" },
        { "ipv4/tcp_no_metrics_save", "1" },
        { "ipv4/tcp_tw_reuse", "0" },
        { "ipv4/tcp_fastopen", "0" },
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        write_sysctl(settings[i][0], settings[i][1]);
}

static int open_tun(void)
{
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = { .ifr_name = "wire", .ifr_flags = IFF_TUN | IFF_NO_PI };
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) < 0) {
        const int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int bring_up(const char *interface)
{
    struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };
    strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int result = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return result;
}

static int set_v4_address(const struct in6_addr *addr)
{
    struct ifreq request = { .ifr_name = "wire" };
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&request.ifr_addr;
    in->sin_family = AF_INET;
    memcpy(&in->sin_addr, &addr->s6_addr[12], 4);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = ioctl(fd, SIOCSIFADDR, &request);
    in->sin_addr.s_addr = htonl(0xffffff00);
    if (result == 0)
        result = ioctl(fd, SIOCSIFNETMASK, &request);
    close(fd);
    return result;
}

/* linux/ipv6.h, which clashes with netinet/in.h */
struct in6_request {
    struct in6_addr addr;
    uint32_t prefix_bits;
    int interface;
};

/* An address is of use once the kernel's own worker has looked at it. */
static int await_address(const struct in6_addr *addr)
{
    const struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_addr = *addr };
    int result = -1;
    for (int tries = 0; tries < 1000 && result < 0; tries++) {
        const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        result = bind(fd, (const struct sockaddr *)&name, sizeof(name));
        close(fd);
        if (result < 0)
            usleep(1000);
    }
    return result;
}

static int set_v6_address(const struct in6_addr *addr)
{
    const struct in6_request request = { *addr, 64, (int)if_nametoindex("wire") };
    const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int result = ioctl(fd, SIOCSIFADDR, &request);
    close(fd);
    return result < 0 ? result : await_address(addr);
}

static int create(struct kernel *kernel, int family, const char **why)
{
    *why = "cannot make a network namespace";
    if (unshare(CLONE_NEWNET) < 0)
        return -errno;
    kernel->namespace_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (kernel->namespace_fd < 0)
        return -errno;
    calm();
    *why = "cannot make a TUN device";
    kernel->tun_fd = open_tun();
    if (kernel->tun_fd < 0)
        return -errno;
    *why = "cannot set up the TUN device";
    if (bring_up("lo") < 0 || bring_up("wire") < 0)
        return -errno;
    if ((family == AF_INET ? set_v4_address : set_v6_address)(&kernel->addr) < 0)
        return -errno;
    *why = "the kernel has no NETLINK_SOCK_DIAG";
    kernel->diag_fd = diag_open();
    return kernel->diag_fd < 0 ? -errno : 0;
}

int kernels_create(struct kernel kernels[2], int family, const char **why)
{
    static const char *const addresses[2][2] = { { "10.9.0.1", "10.9.0.2" },
                                                 { "fd00::1", "fd00::2" } };
    for (int i = 0; i < 2; i++) {
        struct endpoint endpoint;
        endpoint_from_text(addresses[family == AF_INET6][i], 0, &endpoint);
        kernels[i] = (struct kernel){ -1, -1, -1, endpoint.addr };
    }
    if (geteuid() != 0 && unshare(CLONE_NEWUSER) < 0) {
        *why = "not root, and user namespaces are not allowed";
        return -errno;
    }
    for (int i = 0; i < 2; i++) {
        const int error = create(&kernels[i], family, why);
        if (error < 0)
            return error;
    }
    return 0;
}

void kernels_destroy(struct kernel kernels[2])
{
    for (int i = 0; i < 2; i++) {
        close(kernels[i].diag_fd);
        close(kernels[i].tun_fd);
        close(kernels[i].namespace_fd);
    }
}
