/* A user and mount namespace with the caller's own numbers, as runtime/src/namespace/identity.rs enters one. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static void must(int result)
{
	if (result < 0) {
		perror("floor");
		_exit(125);
	}
}

static void put(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	must(file);
	must((int)write(file, text, strlen(text)));
	close(file);
}

static void map(const char *path, unsigned id)
{
	char text[32];
	snprintf(text, sizeof text, "%u %u 1", id, id);
	put(path, text);
}

static void enter(void)
{
	unsigned user = geteuid(), group = getegid();
	must(unshare(CLONE_NEWUSER | CLONE_NEWNS));
	put("/proc/self/setgroups", "deny");
	map("/proc/self/uid_map", user);
	map("/proc/self/gid_map", group);
}
