/* The directory of the library's data, in the library's store path. */
const char *text_directory(void);
/* Writes the name of a file in it. */
void text_file(char *name);
