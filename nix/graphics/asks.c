// Asks for drivers as programs do: `asks INTERFACE… [PROGRAM ARGUMENT…]`. For each it says what it got, on a line that
// begins with the interface's name, and then becomes the program, whose path has a slash. The libraries of
// tests/graphics say themselves which they are when they are loaded.
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *function(const char *interface, const char *library, const char *name) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL), *found = handle ? dlsym(handle, name) : NULL;
    if (!found)
        printf("%s: %s\n", interface, dlerror());
    return found;
}

// CUDA's programs open it by its name.
static void cuda(void) {
    int (*initialize)(unsigned) = function("cuda", "libcuda.so.1", "cuInit");
    if (initialize)
        printf("cuda: cuInit is %d\n", initialize(0));
}

static void ml(void) {
    int (*initialize)(void) = function("ml", "libnvidia-ml.so.1", "nvmlInit_v2");
    if (initialize)
        printf("ml: nvmlInit is %d\n", initialize());
}

// libGLX opens the library of the vendor that a server names, or this variable.
static void glx(void) {
    char library[100];
    const char *vendor = getenv("__GLX_VENDOR_LIBRARY_NAME");
    snprintf(library, sizeof library, "libGLX_%s.so.0", vendor ? vendor : "nvidia");
    if (function("glx", library, "__glx_Main"))
        printf("glx: %s\n", library);
}

// libEGL loads all vendors before it says what it can do.
static void egl(void) {
    const char *(*query)(void *, int) = function("egl", "libEGL.so.1", "eglQueryString");
    if (query)
        printf("egl: %s\n", query(NULL, 0x3055 /* EGL_EXTENSIONS */) ? "has extensions" : "no extensions");
}

static void vulkan(void) {
    int (*create)(const void *, const void *, void **) = function("vulkan", "libvulkan.so.1", "vkCreateInstance");
    int (*devices)(void *, uint32_t *, void **) = function("vulkan", "libvulkan.so.1", "vkEnumeratePhysicalDevices");
    // VkInstanceCreateInfo: a structure type of 1, and nothing else.
    const uint64_t info[8] = {1};
    void *instance = NULL;
    uint32_t count = 0;
    int result = create && devices ? create(info, NULL, &instance) : -1;
    if (result == 0)
        devices(instance, &count, NULL);
    printf("vulkan: vkCreateInstance is %d, devices: %u\n", result, count);
}

// As nixpkgs' ocl-icd, whose directory of vendors is compiled in.
static void opencl(void) {
    const char *place = getenv("OCL_ICD_VENDORS");
    place = place ? place : "/run/opengl-driver/etc/OpenCL/vendors";
    DIR *directory = opendir(place);
    if (!directory)
        printf("opencl: no directory of vendors\n");
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char path[PATH_MAX], library[PATH_MAX] = "";
        snprintf(path, sizeof path, "%s/%s", place, entry->d_name);
        FILE *file = strstr(entry->d_name, ".icd") ? fopen(path, "r") : NULL;
        if (!file || !fgets(library, sizeof library, file))
            continue;
        library[strcspn(library, "\n")] = 0;
        if (function("opencl", library, "clIcdGetPlatformIDsKHR"))
            printf("opencl: %s\n", library);
    }
}

int main(int count, char **arguments) {
    static const struct {
        const char *name;
        void (*ask)(void);
    } interfaces[] = {{"cuda", cuda},     {"ml", ml},         {"glx", glx},  {"egl", egl},
                      {"vulkan", vulkan}, {"opencl", opencl}};
    for (int at = 1; at < count; at++) {
        if (strchr(arguments[at], '/')) {
            fflush(stdout);
            execv(arguments[at], arguments + at);
            perror(arguments[at]);
        }
        for (size_t which = 0; which < sizeof interfaces / sizeof *interfaces; which++)
            if (!strcmp(arguments[at], interfaces[which].name))
                interfaces[which].ask();
    }
    return 0;
}
