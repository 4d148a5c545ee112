/* Reads a capture with libpcap and does nothing but count: what reading alone costs. */
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>

struct count {
    uint64_t packets, bytes;
};

static void on_packet(u_char *context, const struct pcap_pkthdr *header, const u_char *data)
{
    struct count *count = (struct count *)context;

    (void)data;
    count->packets++;
    count->bytes += header->caplen;
}

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE];
    struct count count = { 0 };

    if (argc != 2) {
        fputs("null_loop: one capture is expected\n", stderr);
        return 2;
    }
    pcap_t *pcap = pcap_open_offline(argv[1], error);
    if (!pcap) {
        fprintf(stderr, "null_loop: %s\n", error);
        return 1;
    }
    const int status = pcap_loop(pcap, -1, on_packet, (u_char *)&count);
    if (status < 0)
        fprintf(stderr, "null_loop: %s: %s\n", argv[1], pcap_geterr(pcap));
    printf("%llu packets, %llu bytes\n", (unsigned long long)count.packets,
           (unsigned long long)count.bytes);
    pcap_close(pcap);
    return status < 0;
}
