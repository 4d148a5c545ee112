#include "quantity.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool quantity_duration(const char *text, int64_t *ns)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = { { "", 1 },      { "s", 1 },  { "ms", 1e-3 }, { "us", 1e-6 },
                  { "ns", 1e-9 }, { "m", 60 }, { "h", 3600 },  { "d", 86400 } };
    const size_t digits = strspn(text, "0123456789.");
    char *rest;
    double value;

    if (digits == 0 || digits > 20 || strspn(text, ".") == digits)
        return false;
    value = strtod(text, &rest);
    if (rest != text + digits)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(rest, units[i].unit) == 0) {
            value *= units[i].seconds;
            if (value > 9e9) /* almost three centuries */
                return false;
            *ns = (int64_t)(value * 1e9 + 0.5);
            return true;
        }
    }
    return false;
}

bool quantity_size(const char *text, uint64_t unit, uint64_t *value)
{
    static const char suffixes[] = "KMGT";
    uint64_t number = 0;
    const char *at = text;

    for (; isdigit((unsigned char)*at); at++) {
        if (number > UINT64_MAX / 100)
            return false;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    if (at == text || number == 0)
        return false;
    if (*at) {
        const char *suffix = strchr(suffixes, toupper((unsigned char)*at));

        if (!suffix || at[1])
            return false;
        for (int i = 0; i <= suffix - suffixes; i++) {
            if (number > UINT64_MAX / unit)
                return false;
            number *= unit;
        }
    }
    *value = number;
    return true;
}

/* Days from 1970-01-01 in the Gregorian calendar; `month` from 1. */
static int64_t days_since_1970(int64_t year, unsigned month, unsigned day)
{
    /* Years begin in March, so that the leap day is the last. */
    const int64_t y = month <= 2 ? year - 1 : year;
    const int64_t era = (y >= 0 ? y : y - 399) / 400;
    const int64_t year_of_era = y - era * 400;
    const int64_t day_of_year = (153 * (int64_t)((month + 9) % 12) + 2) / 5 + (int64_t)day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

/* "nnnn" of so many digits; -1 if it is something else. */
static int take_digits(const char **at, int count)
{
    int value = 0;

    for (int i = 0; i < count; i++, (*at)++) {
        if (!isdigit((unsigned char)**at))
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static bool take_char(const char **at, const char *any_of)
{
    if (!**at || !strchr(any_of, **at))
        return false;
    (*at)++;
    return true;
}

/* ".5": nanoseconds; digits beyond the ninth are dropped. False without a digit. */
static bool take_fraction(const char **at, int64_t *ns)
{
    int64_t unit = FW_SECOND / 10;

    *ns = 0;
    if (!take_char(at, "."))
        return true;
    if (!isdigit((unsigned char)**at))
        return false;
    for (; isdigit((unsigned char)**at); (*at)++, unit /= 10)
        *ns += unit * (**at - '0');
    return true;
}

bool quantity_time(const char *text, fw_time *time)
{
    static const int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    const char *at = text;
    int hour = 0, minute = 0, second = 0;
    int64_t ns = 0;

    const int year = take_digits(&at, 4);
    const int month = year >= 0 && take_char(&at, "-") ? take_digits(&at, 2) : -1;
    const int day = month >= 0 && take_char(&at, "-") ? take_digits(&at, 2) : -1;
    if (year < 1700 || year > 2250 || month < 1 || month > 12 || day < 1 ||
        day > month_days[month - 1])
        return false;
    if (take_char(&at, "Tt ")) {
        hour = take_digits(&at, 2);
        minute = take_char(&at, ":") ? take_digits(&at, 2) : -1;
        if (take_char(&at, ":"))
            second = take_digits(&at, 2);
        if (!take_fraction(&at, &ns))
            return false;
    }
    take_char(&at, "Zz");
    if (*at || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    *time = (days_since_1970(year, (unsigned)month, (unsigned)day) * 86400 + hour * 3600 +
             minute * 60 + second) *
                FW_SECOND +
            ns;
    return true;
}
