/* Ends a thread early, for which glibc loads libgcc. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void cleanup(void *text) { puts(text); }

static void *wait_forever(void *unused) {
    pthread_cleanup_push(cleanup, "the thread was cancelled");
    for (;;) pause();
    pthread_cleanup_pop(0);
    return unused;
}

int main(void) {
    pthread_t thread;
    void *result;
    if (pthread_create(&thread, NULL, wait_forever, NULL) || pthread_cancel(thread) || pthread_join(thread, &result)) return 1;
    puts(result == PTHREAD_CANCELED ? "joined" : "not cancelled");
    return 0;
}
