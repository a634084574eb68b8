// A library of a driver, as it is for these tests: it says which one it is when it is loaded, and answers all that
// asks.c asks for. NAME is its SONAME, VERSION the driver's.
#include <dlfcn.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((constructor)) static void say(void) {
    static const char here;
    Dl_info info;
    char path[PATH_MAX];
    if (dladdr(&here, &info) && realpath(info.dli_fname, path))
        printf("%s %s %s\n", NAME, VERSION, path);
}

int cuInit(unsigned flags) {
    return (int)flags;
}

int nvmlInit_v2(void) {
    return 0;
}

// glvnd's: a vendor that says no is not asked again.
int __egl_Main(uint32_t version, const void *exports, void *vendor, void *imports) {
    return 0;
}

int __glx_Main(uint32_t version, const void *exports, void *vendor, void *imports) {
    return 0;
}

int clIcdGetPlatformIDsKHR(uint32_t entries, void *platforms, uint32_t *count) {
    return 0;
}

// Vulkan's: an instance with one device. The loader wants its magic number at the start of each, and a function for
// each name that it asks for: vk_icd.h.
static uintptr_t object = 0x01CDC0DE;

static int nothing(void) {
    return 0;
}

static int create(const void *info, const void *allocator, void **instance) {
    *instance = &object;
    return 0;
}

static int extensions(const char *layer, uint32_t *count, void *properties) {
    *count = 0;
    return 0;
}

static int devices(void *instance, uint32_t *count, void **found) {
    *count = 1;
    if (found)
        *found = &object;
    return 0;
}

int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
    *version = 5;
    return 0;
}

void *vk_icdGetInstanceProcAddr(void *instance, const char *name) {
    static const struct {
        const char *name;
        void *function;
    } known[] = {{"vkCreateInstance", create},
                 {"vkEnumerateInstanceExtensionProperties", extensions},
                 {"vkEnumeratePhysicalDevices", devices}};
    for (size_t at = 0; at < sizeof known / sizeof *known; at++)
        if (!strcmp(name, known[at].name))
            return known[at].function;
    // Not an extension's: the loader would call it.
    return strstr(name, "KHR") || strstr(name, "EXT") || strstr(name, "2") ? NULL : nothing;
}
