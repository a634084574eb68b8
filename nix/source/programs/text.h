/* The directory of the library's data, in the library's store path. */
const char *text_directory(void);
