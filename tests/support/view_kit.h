/*
 * Runs a view over hand-made steps and connections and gives back all that it wrote.
 *
 * It stands in for what a view asks of other parts: fw_step_connection() copies kit->connection,
 * selection_match() asks kit_wanted, interop_community_id() says "1:of the test".
 */
#ifndef VIEW_KIT_H
#define VIEW_KIT_H

#include "finwait/finwait.h"

#include "out.h"
#include "view.h"

struct kit {
    const struct view_ops *ops;
    struct view_options options;
    struct out out;
    struct view *view;
    struct summary summary;
    struct fw_connection connection; /* what steps are about; tests set what they need */
    uint64_t frame;
};

/* 2024-01-31T12:00:00Z: the time of first packets. */
extern const fw_time kit_epoch;

/* A view in UTF-8, without colour, not to a terminal; connection #1 from 192.168.1.10:50001 to
 * 10.0.0.1:80, of which nothing is known. Options may be changed until the first step. */
void kit_begin(struct kit *kit, const struct view_ops *ops);

struct kit_move {
    enum fw_side endpoint;
    enum fw_state from, to;
    int64_t in_state_ms; /* -1: unknown */
    enum fw_proof proof;
    bool corrected;
};

/* A list of moves, at most four. */
#define MOVES(...)                                                                                 \
    (const struct kit_move[])                                                                      \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            FW_CLIENT, FW_UNKNOWN, FW_UNKNOWN, 0, FW_PROOF_SEGMENT, false                          \
        }                                                                                          \
    }
#define CLIENT_MOVES(from, to, ms)                                                                 \
    {                                                                                              \
        FW_CLIENT, FW_##from, FW_##to, ms, FW_PROOF_SEGMENT, false                                 \
    }
#define SERVER_MOVES(from, to, ms)                                                                 \
    {                                                                                              \
        FW_SERVER, FW_##from, FW_##to, ms, FW_PROOF_SEGMENT, false                                 \
    }

/* One frame from a side at `ms` after the first, and what it moves. Sets the states of
 * kit->connection. NULL flags: a timer. */
void kit_step(struct kit *kit, double ms, enum fw_side from, const char *flags,
              const struct kit_move *moves);

/* The same with a whole segment (time, frame and endpoints are filled); moves may be NULL. */
void kit_segment(struct kit *kit, double ms, enum fw_side from, struct fw_segment segment,
                 enum fw_note note, const struct kit_move *moves);

/* The connection, as it is, ends. Counted in the summary if it is wanted. */
void kit_end(struct kit *kit);

/* Goes on with another connection, from port 50000 + id. */
void kit_connection(struct kit *kit, uint64_t id);

/* Ends the view with kit->summary. The text is to be freed. */
char *kit_finish(struct kit *kit);

/* What selection_match() says of a connection where there is a selection; NULL: it matches. */
extern bool (*kit_wanted)(const struct fw_connection *connection);
/* What selection_is_fixed() says of it. */
extern bool kit_fixed;
/* Any selection: &kit_selection is enough to have one. */
extern const char kit_selection;

/* The whole of an ordinary connection: handshake, 18 bytes up, 22 down, the client closes first. */
void kit_play_ordinary(struct kit *kit);

#define ck_assert_text(actual, expected)                                                           \
    do {                                                                                           \
        char *kit_text = (actual);                                                                 \
        ck_assert_str_eq(kit_text, expected);                                                      \
        free(kit_text);                                                                            \
    } while (0)

#endif
