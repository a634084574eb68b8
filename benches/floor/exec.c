/* The floor of every launcher: becomes the program that its arguments name. */
#include <unistd.h>

int main(int argc, char **argv)
{
	(void)argc;
	execve(argv[1], argv + 1, environ);
	return 125;
}
