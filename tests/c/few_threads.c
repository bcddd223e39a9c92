/* Refuses to start threads beyond a number. Preloaded; the number is in the environment. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static int started;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
    int (*start)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    const char *allowed = getenv("THREADS_ALLOWED");

    if (allowed != NULL && __sync_fetch_and_add(&started, 1) >= atoi(allowed))
        return EAGAIN;
    *(void **)&start = dlsym(RTLD_NEXT, "pthread_create");
    return start(thread, attributes, body, argument);
}
