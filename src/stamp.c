#include "stamp.h"

#include "digits.h"

static int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

/* The first second of the range begins before it. */
static uint32_t nanosecond_of(fw_time time, int64_t second)
{
    return (uint32_t)((uint64_t)time - (uint64_t)second * (uint64_t)FW_SECOND);
}

struct stamp stamp_of(fw_time time)
{
    const int64_t seconds = floor_div(time, FW_SECOND);
    const int64_t days = floor_div(seconds, 86400);
    const unsigned of_day = (unsigned)(seconds - days * 86400);

    /* Years that begin in March put the leap day last: Hinnant, "chrono-Compatible Low-Level Date
     * Algorithms", civil_from_days. */
    const int64_t shifted = days + 719468;
    const int64_t era = floor_div(shifted, 146097);
    const unsigned day_of_era = (unsigned)(shifted - era * 146097);
    const unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const unsigned day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned march_month = (5 * day_of_year + 2) / 153;
    const unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;

    return (struct stamp){
        .year = (int64_t)year_of_era + era * 400 + (month <= 2),
        .month = month,
        .day = day_of_year - (153 * march_month + 2) / 5 + 1,
        .hour = of_day / 3600,
        .minute = of_day / 60 % 60,
        .second = of_day % 60,
        .nanosecond = nanosecond_of(time, seconds),
    };
}

/* What comes before the nanoseconds. */
static void put_second(char text[32], fw_time time)
{
    const struct stamp stamp = stamp_of(time);
    char *end = digits_fixed(text, (uint64_t)stamp.year, 4);

    *end++ = '-';
    end = digits_fixed(end, stamp.month, 2);
    *end++ = '-';
    end = digits_fixed(end, stamp.day, 2);
    *end++ = 'T';
    end = digits_fixed(end, stamp.hour, 2);
    *end++ = ':';
    end = digits_fixed(end, stamp.minute, 2);
    *end++ = ':';
    end = digits_fixed(end, stamp.second, 2);
    *end++ = '.';
}

char *stamp_rfc3339(struct stamp_cache *cache, char *at, fw_time time)
{
    const int64_t second = floor_div(time, FW_SECOND);
    const size_t slot = (size_t)second % 8;

    if (cache->last[slot].text[0] == '\0' || cache->last[slot].second != second) {
        put_second(cache->last[slot].text, time);
        cache->last[slot].second = second;
    }
    memcpy(at, cache->last[slot].text, 20);
    at = digits_nine(at + 20, nanosecond_of(time, second));
    *at++ = 'Z';
    return at;
}

char *stamp_seconds(char *at, int64_t ns)
{
    uint64_t magnitude = (uint64_t)ns;

    if (ns < 0) {
        *at++ = '-';
        magnitude = 0 - magnitude;
    }
    at = digits_u64(at, magnitude / (uint64_t)FW_SECOND);
    *at++ = '.';
    return digits_nine(at, (uint32_t)(magnitude % (uint64_t)FW_SECOND));
}
