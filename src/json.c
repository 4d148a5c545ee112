#include "json.h"

#include "utf8.h"

static char *escape(char *at, uint32_t code)
{
    static const char hex[] = "0123456789abcdef";

    switch (code) {
    case '"':
        return JSON_LITERAL(at, "\\\"");
    case '\\':
        return JSON_LITERAL(at, "\\\\");
    case '\n':
        return JSON_LITERAL(at, "\\n");
    case '\r':
        return JSON_LITERAL(at, "\\r");
    case '\t':
        return JSON_LITERAL(at, "\\t");
    default:
        at = JSON_LITERAL(at, "\\u00");
        *at++ = hex[code >> 4 & 15];
        *at++ = hex[code & 15];
        return at;
    }
}

/* ASCII that stands for itself. */
static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

char *json_string(char *at, const char *text, size_t length)
{
    *at++ = '"';
    while (length > 0) {
        if (is_plain(*text)) {
            *at++ = *text++;
            length--;
            continue;
        }
        uint32_t code;
        const size_t size = utf8_next(text, length, &code);
        if (code == UINT32_MAX) {
            at = JSON_LITERAL(at, "\\ufffd");
        } else if (code < 0x20 || code == '"' || code == '\\' || code == 0x7f) {
            at = escape(at, code);
        } else {
            memcpy(at, text, size);
            at += size;
        }
        text += size;
        length -= size;
    }
    *at++ = '"';
    return at;
}

char *json_text(char *at, const char *text)
{
    return text ? json_string(at, text, strlen(text)) : json_null(at);
}
