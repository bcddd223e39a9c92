/* Counts what a program takes from malloc. Preloaded; the program asks for the count. */
#include <errno.h>
#include <stddef.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

unsigned long counted_mallocs(void);
void *malloc(size_t);
void *calloc(size_t, size_t);
void *realloc(void *, size_t);
void *memalign(size_t, size_t);
void *aligned_alloc(size_t, size_t);
int   posix_memalign(void **, size_t, size_t);

static volatile unsigned long count;

unsigned long counted_mallocs(void) { return count; }
void *malloc(size_t n) { count++; return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { count++; return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { count++; return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { count++; return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { count++; return __libc_memalign(a, n); }

int posix_memalign(void **p, size_t a, size_t n)
{
    count++;
    *p = __libc_memalign(a, n);
    return *p == NULL ? ENOMEM : 0;
}
