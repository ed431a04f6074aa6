/* Calls one function of one library through its C ABI:  driver LIBRARY FUNCTION WORKSPACE ARGUMENT…

   An argument is `size:N`, `in:FILE` or `out:FILE:BYTES`; files are raw arrays.  WORKSPACE is the function that tells
   the bytes of workspace, or `-`.  Then lines of standard input are obeyed:

       first            calls once: the seconds, and the peak memory above what was held before, in bytes
       write            writes the results to their files; answers 0
       measure SECONDS  calls for so long: the seconds a call of each batch

   Both sides of a comparison are called by this program, each in a process of its own, since a library that was linked
   with -ffast-math makes the whole process flush subnormals.  All parameters are integers or pointers, which every ABI
   of 64-bit systems passes as words; a function takes as many of them as it has.  Seconds are the processor time of this
   process, which runs in one thread: what else the machine does is not counted. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 16 };
typedef intptr_t word;
typedef int function(word, word, word, word, word, word, word, word, word, word, word, word, word, word, word, word);
typedef size_t workspace_function(word, word, word, word, word, word);

static word words[MOST];
static char *paths[MOST];
static size_t lengths[MOST];
static int count;

static void fail(const char *what, const char *which) {
    fprintf(stderr, "driver: %s %s\n", what, which);
    exit(1);
}

/* As NumPy allocates: huge pages for what is large. */
static void *memory(size_t bytes) {
    const size_t huge = (size_t)1 << 21, whole = (bytes / huge + 2) * huge;
    char *found = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED) fail("no memory", "");
    if (bytes >= 2 * huge) {
        found += huge - (uintptr_t)found % huge;
        madvise(found, bytes, MADV_HUGEPAGE);
    }
    memset(found, 0, bytes);
    return found;
}

static void take(char *argument) {
    if (count == MOST - 2) fail("too many arguments at", argument);
    if (!strncmp(argument, "size:", 5)) {
        words[count++] = atoll(argument + 5);
    } else if (!strncmp(argument, "in:", 3)) {
        FILE *file = fopen(argument + 3, "rb");
        if (!file) fail("cannot read", argument);
        fseek(file, 0, SEEK_END);
        size_t bytes = (size_t)ftell(file);
        rewind(file);
        void *array = memory(bytes);
        if (fread(array, 1, bytes, file) != bytes) fail("cannot read", argument);
        fclose(file);
        words[count++] = (word)array;
    } else if (!strncmp(argument, "out:", 4)) {
        char *colon = strrchr(argument, ':');
        *colon = 0;
        paths[count] = argument + 4;
        lengths[count] = (size_t)atoll(colon + 1);
        words[count] = (word)memory(lengths[count]);
        count++;
    } else {
        fail("cannot understand", argument);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static size_t peak(void) {
    char line[256];
    size_t kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %zu", &kilobytes) == 1) break;
    if (file) fclose(file);
    return kilobytes * 1024;
}

static void call(function *run, size_t repeats) {
    const word *w = words;
    for (size_t i = 0; i < repeats; i++)
        if (run(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11], w[12], w[13], w[14], w[15]))
            fail("the call failed", "");
}

static double batch(function *run, size_t repeats) {
    double start = now();
    call(run, repeats);
    return (now() - start) / (double)repeats;
}

static void measure(function *run, double seconds) {
    double once = batch(run, 1), total = once;
    size_t repeats = 1, batches = 0;
    if (once < seconds) {
        once = batch(run, 1);
        repeats = once > 2e-4 ? 1 : (size_t)(2e-4 / (once + 1e-9)) + 1;
        for (total = 0; batches < 3 || total < seconds; batches++) {
            double took = batch(run, repeats);
            total += took * (double)repeats;
            printf("%.9g ", took);
        }
    } else {
        printf("%.9g ", once);
    }
    printf("\n");
}

static void write_results(void) {
    for (int i = 0; i < count; i++) {
        if (!paths[i]) continue;
        FILE *file = fopen(paths[i], "wb");
        if (!file || fwrite((void *)words[i], 1, lengths[i], file) != lengths[i]) fail("cannot write", paths[i]);
        fclose(file);
    }
    printf("0\n");
}

int main(int argc, char **argv) {
    if (argc < 4) fail("usage:", "driver LIBRARY FUNCTION WORKSPACE ARGUMENT…");
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) fail("cannot load", dlerror());
    function *run = (function *)dlsym(library, argv[2]);
    if (!run) fail("no function", argv[2]);
    for (int i = 4; i < argc; i++) take(argv[i]);
    if (strcmp(argv[3], "-")) {
        workspace_function *bytes = (workspace_function *)dlsym(library, argv[3]);
        if (!bytes) fail("no function", argv[3]);
        size_t needed = bytes(words[0], words[1], words[2], words[3], words[4], words[5]);
        words[count] = needed ? (word)mmap(NULL, needed, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : 0;
    }
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        double seconds = 0;
        if (!strcmp(line, "first\n")) {
            size_t before = peak();
            seconds = batch(run, 1);
            printf("%.9g %zu\n", seconds, peak() - before);
        } else if (!strcmp(line, "write\n")) {
            write_results();
        } else if (sscanf(line, "measure %lf", &seconds) == 1) {
            measure(run, seconds);
        } else {
            fail("cannot obey", line);
        }
        fflush(stdout);
    }
    return 0;
}
