/* root SKELETON STORE PROGRAM…: the calls of a start where there is no /nix, as runtime/src/namespace/root.rs does it. */
#include "identity.h"
#include <dirent.h>

int main(int argc, char **argv)
{
	char here[4096], source[512], target[4096];
	const char *skeleton = argv[1], *store = argv[2];
	struct dirent *entry;
	(void)argc;
	if (!getcwd(here, sizeof here))
		return 125;
	DIR *top = opendir("/");
	if (!top)
		return 125;
	enter();
	must(mount(skeleton, skeleton, NULL, MS_BIND, NULL));
	while ((entry = readdir(top))) {
		const char *name = entry->d_name;
		if (entry->d_type == DT_LNK || !strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		snprintf(source, sizeof source, "/%s", name);
		snprintf(target, sizeof target, "%s/%s", skeleton, name);
		must(mount(source, target, NULL, entry->d_type == DT_DIR ? MS_BIND | MS_REC : MS_BIND, NULL));
	}
	closedir(top);
	snprintf(target, sizeof target, "%s/nix/store", skeleton);
	must(mount(store, target, NULL, MS_BIND, NULL));
	must(chdir(skeleton));
	must(mount(".", "/", NULL, MS_MOVE, NULL));
	must(chroot("."));
	must(chdir(here));
	execve(argv[3], argv + 3, environ);
	return 125;
}
