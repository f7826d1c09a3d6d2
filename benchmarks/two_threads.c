/* What the machine can do: unpack a zip archive with threads and libdeflate, or only write its files.
 *
 *     two_threads unzip|raw ARCHIVE DIRECTORY THREADS
 *
 * A yardstick, not a tool: names are taken as they are, every entry is held in memory as a whole, and any error ends
 * the program. `raw` writes as many bytes to the same names and reads nothing but the central directory. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libdeflate.h>

enum { BATCH = 64, SLACK = 256, RAW_BLOCK = 1 << 20, MAX_THREADS = 64 };

struct entry {
    const char *name;
    uint32_t name_length, crc;
    uint16_t method, date, time;
    uint64_t packed, size, offset;
};

struct buffer {
    uint8_t *bytes;
    size_t room;
};

struct folder {
    char path[4096];
    int fd;
};

static struct entry *entries;
static size_t entry_count;
static atomic_size_t next_entry;
static const char *archive_path, *target_path;
static int raw_mode;

static void die(const char *what) {
    fprintf(stderr, "two_threads: %s: %s\n", what, errno ? strerror(errno) : "bad archive");
    exit(1);
}

static uint16_t le16(const uint8_t *at) { uint16_t v; memcpy(&v, at, 2); return le16toh(v); }
static uint32_t le32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return le32toh(v); }
static uint64_t le64(const uint8_t *at) { uint64_t v; memcpy(&v, at, 8); return le64toh(v); }

static void read_fully(int fd, void *into, size_t length, uint64_t offset) {
    for (size_t done = 0; done < length;) {
        ssize_t got = pread(fd, (uint8_t *)into + done, length - done, (off_t)(offset + done));
        if (got <= 0) die("read");
        done += (size_t)got;
    }
}

static void write_fully(int fd, const uint8_t *from, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t put = write(fd, from + done, length - done);
        if (put <= 0) die("write");
        done += (size_t)put;
    }
}

static uint8_t *grow(struct buffer *buffer, size_t length) {
    if (buffer->room < length) {
        free(buffer->bytes);
        buffer->bytes = malloc(length);
        buffer->room = length;
        if (!buffer->bytes) die("memory");
    }
    return buffer->bytes;
}

/* ZIP64: the extra field holds, in this order, those of the three figures that did not fit. */
static void widen(struct entry *entry, const uint8_t *extra, size_t length) {
    const uint8_t *end = extra + length;
    while (extra + 4 <= end) {
        const uint8_t *value = extra + 4;
        uint16_t kind = le16(extra), room = le16(extra + 2);
        extra = value + room;
        if (kind != 1 || extra > end) continue;
        uint64_t *wide[] = {&entry->size, &entry->packed, &entry->offset};
        for (int i = 0; i < 3; i++)
            if (*wide[i] == UINT32_MAX && value + 8 <= extra) {
                *wide[i] = le64(value);
                value += 8;
            }
    }
}

static void parse_entries(const uint8_t *at, const uint8_t *end) {
    for (size_t i = 0; i < entry_count; i++) {
        if (at + 46 > end || le32(at) != 0x02014b50) die("central directory");
        struct entry *entry = &entries[i];
        uint16_t name = le16(at + 28), extra = le16(at + 30), comment = le16(at + 32);
        *entry = (struct entry){.name = (const char *)at + 46, .name_length = name, .crc = le32(at + 16),
                                .method = le16(at + 10), .time = le16(at + 12), .date = le16(at + 14),
                                .packed = le32(at + 20), .size = le32(at + 24), .offset = le32(at + 42)};
        widen(entry, at + 46 + name, extra);
        at += 46u + name + extra + comment;
    }
}

static void load_directory(int fd) {
    struct stat info;
    if (fstat(fd, &info)) die("stat");
    uint64_t size = (uint64_t)info.st_size, tail = size < 66000 ? size : 66000;
    uint8_t *bytes = malloc(tail);
    read_fully(fd, bytes, tail, size - tail);
    int64_t at = (int64_t)tail - 22;
    while (at >= 0 && le32(bytes + at) != 0x06054b50) at--;
    if (at < 0) die("no end of central directory");
    uint64_t count = le16(bytes + at + 10), length = le32(bytes + at + 12), start = le32(bytes + at + 16);
    if (at >= 20 && le32(bytes + at - 20) == 0x07064b50) {
        uint8_t wide[56];
        read_fully(fd, wide, sizeof wide, le64(bytes + at - 12));
        count = le64(wide + 32), length = le64(wide + 40), start = le64(wide + 48);
    }
    free(bytes);
    uint8_t *directory = malloc(length + 1);
    entries = calloc(count + 1, sizeof *entries);
    if (!directory || !entries) die("memory");
    read_fully(fd, directory, length, start);
    entry_count = count;
    parse_entries(directory, directory + length);
}

static void make_folders(char *path) {
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (*path && mkdir(path, 0777) && errno != EEXIST) die("mkdir");
        *slash = '/';
    }
    if (mkdir(path, 0777) && errno != EEXIST) die("mkdir");
}

/* Return the descriptor of the entry's folder; entries of one folder follow each other, so one is kept. */
static int enter(struct folder *folder, const struct entry *entry, char *base) {
    char path[4096];
    const char *slash = memrchr(entry->name, '/', entry->name_length);
    int depth = slash ? (int)(slash - entry->name) : 0, skip = slash ? depth + 1 : 0;
    snprintf(base, 256, "%.*s", (int)entry->name_length - skip, entry->name + skip);
    if (snprintf(path, sizeof path, "%s/%.*s", target_path, depth, entry->name) >= (int)sizeof path) die("path");
    if (folder->fd >= 0 && !strcmp(path, folder->path)) return folder->fd;
    if (folder->fd >= 0) close(folder->fd);
    strcpy(folder->path, path);
    make_folders(path);
    folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY);
    if (folder->fd < 0) die("open folder");
    return folder->fd;
}

static void write_raw(int fd, const uint8_t *block, uint64_t size) {
    for (uint64_t left = size; left;) {
        size_t part = left < RAW_BLOCK ? (size_t)left : RAW_BLOCK;
        write_fully(fd, block, part);
        left -= part;
    }
}

static const uint8_t *inflate(int archive, const struct entry *entry, struct libdeflate_decompressor *decompressor,
                              struct buffer *packed, struct buffer *plain) {
    size_t guess = 30u + entry->name_length + SLACK + entry->packed;
    uint8_t *bytes = grow(packed, guess), *out;
    ssize_t got = pread(archive, bytes, guess, (off_t)entry->offset);
    if (got < 30 || le32(bytes) != 0x04034b50) die("local header");
    size_t skip = 30u + le16(bytes + 26) + le16(bytes + 28), have = (size_t)got;
    if (skip > guess - entry->packed) die("local header is longer than expected");
    if (have < skip + entry->packed) read_fully(archive, bytes + have, skip + entry->packed - have, entry->offset + have);
    if (entry->method == 0) return bytes + skip;
    if (entry->method != 8) die("method");
    out = grow(plain, entry->size + 1);
    if (libdeflate_deflate_decompress(decompressor, bytes + skip, entry->packed, out, entry->size, NULL)) die("inflate");
    return out;
}

static void stamp(int fd, const struct entry *entry) {
    struct tm when = {.tm_year = (entry->date >> 9) + 80, .tm_mon = ((entry->date >> 5) & 15) - 1,
                      .tm_mday = entry->date & 31, .tm_hour = entry->time >> 11, .tm_min = (entry->time >> 5) & 63,
                      .tm_sec = (entry->time & 31) * 2, .tm_isdst = -1};
    struct timespec times[2] = {{.tv_sec = timegm(&when)}, {.tv_sec = timegm(&when)}};
    if (futimens(fd, times)) die("futimens");
}

static void *work(void *unused) {
    (void)unused;
    int archive = open(archive_path, O_RDONLY);
    if (archive < 0) die("open archive");
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    struct buffer packed = {0}, plain = {0};
    struct folder folder = {.fd = -1};
    uint8_t *block = malloc(RAW_BLOCK);
    memset(block, 0xa5, RAW_BLOCK);
    for (size_t first; (first = atomic_fetch_add(&next_entry, entry_count < 1000 ? 1 : BATCH)) < entry_count;)
        for (size_t i = first; i < first + (entry_count < 1000 ? 1 : BATCH) && i < entry_count; i++) {
            struct entry *entry = &entries[i];
            char base[256];
            int at = enter(&folder, entry, base);
            if (!*base) continue;
            const uint8_t *bytes = raw_mode ? block : inflate(archive, entry, decompressor, &packed, &plain);
            if (!raw_mode && libdeflate_crc32(0, bytes, entry->size) != entry->crc) die("CRC");
            int fd = openat(at, base, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
            if (fd < 0) die("create");
            if (raw_mode) write_raw(fd, block, entry->size);
            else write_fully(fd, bytes, entry->size), stamp(fd, entry);
            if (close(fd)) die("close");
        }
    return NULL;
}

int main(int count, char **words) {
    int threads = count == 5 ? atoi(words[4]) : 0;
    if (threads < 1 || threads > MAX_THREADS) return fprintf(stderr, "two_threads unzip|raw ZIP DIR THREADS\n"), 2;
    raw_mode = !strcmp(words[1], "raw");
    archive_path = words[2], target_path = words[3];
    int fd = open(archive_path, O_RDONLY);
    if (fd < 0) die("open archive");
    load_directory(fd);
    pthread_t started[MAX_THREADS];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&started[i], NULL, work, NULL)) die("thread");
    for (int i = 0; i < threads; i++) pthread_join(started[i], NULL);
    return 0;
}
