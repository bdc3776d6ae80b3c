/* Lets some allocations of worker processes fail: preloaded into NGINX.
 *
 * ALLOCATION_CONTROL names a file with two numbers of 64 bits. The first says which part of all
 * allocations fails, one in so many; 0 is none. The second counts those that
 * did. The process that loads this is the master, in which nothing fails, nor in a worker before
 * the file says so. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static volatile uint64_t *control;
static pid_t master;
static uint64_t random_state;

__attribute__((constructor)) static void load(void)
{
    const char *path = getenv("ALLOCATION_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped;

    if (fd < 0) {
        return;
    }
    mapped = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    master = getpid();
    if (mapped != MAP_FAILED) {
        control = mapped;
    }
}

static int fails(void)
{
    uint64_t one_in = control ? control[0] : 0;

    if (one_in == 0 || getpid() == master) {
        return 0;
    }
    if (random_state == 0) {
        random_state = (uint64_t) getpid() * 2654435761u;
    }
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    if (random_state % one_in != 0) {
        return 0;
    }
    __sync_fetch_and_add(&control[1], 1);
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    void *allocated = memalign(alignment, size);

    if (allocated == NULL) {
        return ENOMEM;
    }
    *memory = allocated;
    return 0;
}
