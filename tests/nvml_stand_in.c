/* A stand-in for NVIDIA's management library, for tests of what the driver tells and of how it fails.
 *
 * Its answers stand in the file that NVML_STAND_IN names, which each call reads anew, a line each:
 *   gpus 2             how many there are
 *   0.used 1024        a figure of GPU 0; what is not there is not supported (error 3)
 *   0.name Tesla T4
 *   0.mig 1            how many slices it is shared out in; slice 0 of GPU 0 has the figures 100.*, slice 1 101.*
 *   0.compute 2        processes that compute on it; 0.compute0.pid and 0.compute0.used tell of the first
 *   fail nvmlX 15      nvmlX returns this error; "fail nvmlX@1 15" does so for GPU 1 alone
 *   hang nvmlX 1       nvmlX does not return before this line is gone
 * Each call adds its name to a file of that name with ".calls" added.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7 };
typedef unsigned long long u64;
typedef struct { long index; } device;
static device devices[400];

static int answer(const char *key, char *value, size_t size) {
    const char *path = getenv("NVML_STAND_IN");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512];
    int found = 0;
    size_t length = strlen(key);
    while (file && !found && fgets(line, sizeof line, file))
        if (!strncmp(line, key, length) && line[length] == ' ') {
            line[strcspn(line, "\n")] = 0;
            snprintf(value, size, "%s", line + length + 1);
            found = 1;
        }
    if (file)
        fclose(file);
    return found;
}

static int number(const char *key, u64 *value) {
    char text[512];
    if (!answer(key, text, sizeof text))
        return 0;
    *value = strtoull(text, NULL, 10);
    return 1;
}

static void note(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s.calls", getenv("NVML_STAND_IN") ? getenv("NVML_STAND_IN") : "/dev/null");
    FILE *file = fopen(path, "a");
    if (file) {
        fprintf(file, "%s\n", name);
        fclose(file);
    }
}

/* What every call does first: it is noted, and hangs or fails where that is asked for. */
static int begin(const char *name, device *which) {
    char key[256];
    u64 value;
    note(name);
    snprintf(key, sizeof key, "hang %s", name);
    while (number(key, &value))
        usleep(5000);
    snprintf(key, sizeof key, "fail %s@%ld", name, which ? which->index : -1);
    if (which && number(key, &value))
        return (int)value;
    snprintf(key, sizeof key, "fail %s", name);
    return number(key, &value) ? (int)value : SUCCESS;
}

#define BEGIN(which)                        \
    int failure = begin(__func__, (which)); \
    if (failure)                            \
        return failure

static int figure(device *which, const char *name, u64 *value) {
    char key[256];
    snprintf(key, sizeof key, "%ld.%s", which->index, name);
    return number(key, value) ? SUCCESS : NOT_SUPPORTED;
}

static int text(device *which, const char *name, char *value, unsigned size) {
    char key[256];
    snprintf(key, sizeof key, "%ld.%s", which->index, name);
    return answer(key, value, size) ? SUCCESS : NOT_SUPPORTED;
}

int nvmlInitWithFlags(unsigned flags) { BEGIN(NULL); return SUCCESS; }
int nvmlShutdown(void) { BEGIN(NULL); return SUCCESS; }
const char *nvmlErrorString(int code) { return "said by the stand-in"; }

int nvmlSystemGetDriverVersion(char *value, unsigned size) {
    BEGIN(NULL);
    return answer("driver", value, size) ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    BEGIN(NULL);
    u64 value = 0;
    number("gpus", &value);
    *count = (unsigned)value;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **handle) {
    devices[index].index = index;
    BEGIN(&devices[index]);
    *handle = &devices[index];
    return SUCCESS;
}

int nvmlDeviceGetName(device *which, char *value, unsigned size) { BEGIN(which); return text(which, "name", value, size); }
int nvmlDeviceGetUUID(device *which, char *value, unsigned size) { BEGIN(which); return text(which, "uuid", value, size); }

int nvmlDeviceGetMemoryInfo(device *which, u64 *memory) { /* total, free, used */
    BEGIN(which);
    u64 reserved = 0;
    int missing = figure(which, "total", &memory[0]) || figure(which, "used", &memory[2]);
    figure(which, "reserved", &reserved);
    memory[2] += reserved;
    memory[1] = memory[0] - memory[2];
    return missing ? NOT_SUPPORTED : SUCCESS;
}

typedef struct { unsigned version; u64 total, reserved, free, used; } memory_v2;

int nvmlDeviceGetMemoryInfo_v2(device *which, memory_v2 *memory) {
    BEGIN(which);
    int missing = figure(which, "total", &memory->total) || figure(which, "used", &memory->used);
    memory->reserved = 0;
    figure(which, "reserved", &memory->reserved);
    memory->free = memory->total - memory->used - memory->reserved;
    return missing ? NOT_SUPPORTED : SUCCESS;
}

int nvmlDeviceGetUtilizationRates(device *which, unsigned *rates) { /* gpu, memory */
    BEGIN(which);
    u64 value = 0;
    int missing = figure(which, "busy", &value);
    rates[0] = (unsigned)value;
    rates[1] = 0;
    return missing;
}

int nvmlDeviceGetTemperature(device *which, int sensor, unsigned *degrees) {
    BEGIN(which);
    u64 value = 0;
    int missing = figure(which, "degrees", &value);
    *degrees = (unsigned)value;
    return missing;
}

typedef struct { unsigned version; int sensor, degrees; } temperature_v1;

int nvmlDeviceGetTemperatureV(device *which, temperature_v1 *temperature) {
    BEGIN(which);
    u64 value = 0;
    int missing = figure(which, "degrees", &value);
    temperature->degrees = (int)value;
    return missing;
}

typedef struct { unsigned pid; u64 used; unsigned instance, compute_instance; } process;

static int processes(device *which, const char *kind, unsigned *room, process *found) {
    u64 count = 0, value;
    char key[64];
    if (figure(which, kind, &count))
        return NOT_SUPPORTED;
    if (count > *room) {
        *room = (unsigned)count;
        return TOO_SMALL;
    }
    *room = (unsigned)count;
    for (unsigned at = 0; at < count; at++) {
        snprintf(key, sizeof key, "%s%u.pid", kind, at);
        found[at].pid = figure(which, key, &value) ? 0 : (unsigned)value;
        snprintf(key, sizeof key, "%s%u.used", kind, at);
        found[at].used = figure(which, key, &value) ? (u64)-1 : value; /* as Windows does */
    }
    return SUCCESS;
}

#define RUNNING(name, kind)                                           \
    int name(device *which, unsigned *room, process *found) {         \
        BEGIN(which);                                                 \
        return processes(which, kind, room, found);                   \
    }
RUNNING(nvmlDeviceGetComputeRunningProcesses_v3, "compute")
RUNNING(nvmlDeviceGetComputeRunningProcesses_v2, "compute")
RUNNING(nvmlDeviceGetGraphicsRunningProcesses_v3, "graphics")
RUNNING(nvmlDeviceGetGraphicsRunningProcesses_v2, "graphics")

int nvmlDeviceGetMigMode(device *which, unsigned *current, unsigned *pending) {
    BEGIN(which);
    u64 value = 0;
    int missing = figure(which, "mig", &value);
    *current = *pending = value > 0;
    return missing;
}

int nvmlDeviceGetMaxMigDeviceCount(device *which, unsigned *count) { BEGIN(which); *count = 7; return SUCCESS; }

int nvmlDeviceGetMigDeviceHandleByIndex(device *which, unsigned index, device **handle) {
    BEGIN(which);
    u64 value = 0;
    figure(which, "mig", &value);
    if (index >= value)
        return NOT_FOUND;
    long number = 100 * (which->index + 1) + (long)index;
    devices[number].index = number;
    *handle = &devices[number];
    return SUCCESS;
}
