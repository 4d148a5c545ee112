/*
 * A ladder is a picture of a connection: one segment a line, and the states of both endpoints after
 * it. It is drawn in relative numbers and run through the public API (fw_tracker_feed):
 *
 *     ladder_check("established\n"
 *                  "A > F. 1:1 ack 1      A FIN_WAIT_1\n"
 *                  "B > .  1:1 ack 2      A FIN_WAIT_2  B CLOSE_WAIT    # B has yet to close\n"
 *                  "record closed_by A\n");
 *
 * Lines. `#` begins a comment, 'several words' are one word.
 *
 *     A > FLAGS SEQ:END [OPTION]... [AFTER]...     a segment, 1 ms after the line before
 *     after 75s [AFTER]...                         time passes, nothing is sent
 *     established [OPTION]...                      SYN, SYN+ACK, ACK with these options
 *     with NAME VALUE                              timers linux, idle TIME, max_connections N,
 *                                                  checksum yes; same address, same port (both
 * ends) not VARIANT REASON                           see below record [N] [KEY [A|B] VALUE]...
 * record N (1: the first connection) at the end
 *                                                  (`*` before or behind VALUE: anything)
 *     count NAME VALUE                             a counter of the tracker at the end
 *
 * FLAGS are tcpdump's letters, or `none`. SEQ and END enclose the payload (SYN and FIN are not
 * counted, as in tcpdump), relative to the sender's first ISN; `ack N` is relative to the
 * other's. `=N` is the number itself.
 *
 * OPTION: ack N, win N, mss N, wscale N, ts N, ecr N, cookie BYTES (fast open), vlan N, delay TIME
 * (instead of the 1 ms; may be negative), badsum, fragmented, duplicate (IP id and checksum of its
 * sender's segment before, so that it is the same packet), icmp NAME (not the segment: an ICMP
 * error that quotes it).
 *
 * AFTER: A STATE or B STATE with the mark of the views: `?` inferred, `~` timer; `-` never heard
 * from; `any` state or `*` mark for what nobody can know, which then stands until another is named.
 * `corrected` behind it: its transition took a proof back, and others did not. What is not named
 * has not changed. note NAME; cause WORDS of one of the transitions; silent: no transition.
 *
 * Exactly as many connections are expected as `connections N` says in a `count` line, else one per
 * VLAN. Every ladder is run as it is; with addresses and ports exchanged, and opened from the other
 * end if it begins with `established`; over IPv6 (no IP id); with ISN 0; with every number that it
 * shows being, in its turn, the one where sequence numbers wrap; with every segment doubled; and
 * all of that at once. `not swapped`, `not ipv6`, `not wrapped`, `not doubled` leave out a variant,
 * with the reason why its answer is another one; the reason is printed.
 */
#ifndef LADDER_H
#define LADDER_H

/* Fails the test, with the picture, unless finwait sees what it shows in all variants. */
void ladder_check(const char *picture);

#endif
