/* mounted IMAGE DIRECTORY PROGRAM: mounts an image by squashfuse, runs a program in it and unmounts it, as an
   AppImage does, but without a shell between. */
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(char **argv)
{
	pid_t pid;
	int status;
	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) || waitpid(pid, &status, 0) < 0)
		return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}

int main(int argc, char **argv)
{
	(void)argc;
	int status = run((char *[]){"squashfuse", argv[1], argv[2], NULL});
	if (status)
		return status;
	status = run(argv + 3);
	int unmounted = run((char *[]){"fusermount3", "-u", argv[2], NULL});
	return status ? status : unmounted;
}
