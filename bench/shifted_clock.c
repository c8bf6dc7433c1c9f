/* Shifts the wall clock by SHIFT seconds; every other clock stays as it is.

   bench/any_day.py compiles this with -DSHIFT=SECONDS and preloads it (LD_PRELOAD). The shift is compiled in, so a
   program keeps it even if its environment changes later. Waiting uses the monotonic clock, which is not shifted, so
   sleeps and timeouts work, unlike under faketime.

   Not shifted: the kernel's own times (of files, of processes) and programs that do not ask the C library. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*libc_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void find(void)
{
    libc_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    /* Other libraries may ask before they have all been set up. */
    int failed = libc_clock_gettime ? libc_clock_gettime(clock, now) : (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += SHIFT;
    return failed;
}

time_t time(time_t *now)
{
    struct timespec found;
    clock_gettime(CLOCK_REALTIME_COARSE, &found);
    if (now)
        *now = found.tv_sec;
    return found.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec found;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}
