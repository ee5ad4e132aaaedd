/* The only program of the test image: does what its first argument says. Static, so that the image needs nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void leave(int number) { (void)number; _exit(0); }

static int copy(int from) {
    char buffer[65536];
    ssize_t count;
    while ((count = read(from, buffer, sizeof buffer)) > 0)
        for (ssize_t done = 0; done < count;) {
            ssize_t written = write(1, buffer + done, (size_t)(count - done));
            if (written < 0) return 1;
            done += written;
        }
    return count < 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "", *arg = argc > 2 ? argv[2] : "";
    if (!strcmp(what, "serve")) {
        signal(SIGTERM, leave);
        write(1, "out 1\n", 6);
        write(1, "out 2\n", 6);
        write(2, "err 1\n", 6);
        for (;;) pause();
    }
    if (!strcmp(what, "stubborn")) {
        signal(SIGTERM, SIG_IGN);
        for (;;) pause();
    }
    if (!strcmp(what, "exit")) return atoi(arg);
    if (!strcmp(what, "hog"))
        for (;;) {
            char *block = malloc(1 << 20);
            if (block) memset(block, 1, 1 << 20);
        }
    if (!strcmp(what, "both")) {
        write(1, "to out", 6);
        write(2, "to err", 6);
        return 7;
    }
    if (!strcmp(what, "cat")) return copy(0);
    if (!strcmp(what, "file")) {
        int file = open(arg, O_RDONLY);
        return file < 0 ? 1 : copy(file);
    }
    if (!strcmp(what, "write")) {
        if (open(arg, O_WRONLY | O_CREAT, 0600) >= 0) return 0;
        puts(strerror(errno));
        return 1;
    }
    if (!strcmp(what, "who")) {
        printf("%d:%d", (int)getuid(), (int)getgid());
        return 0;
    }
    if (!strcmp(what, "env")) {
        const char *value = getenv(arg);
        fputs(value ? value : "(none)", stdout);
        return 0;
    }
    if (!strcmp(what, "hang")) {
        write(1, "hanging", 7);
        for (;;) pause();
    }
    if (!strcmp(what, "size")) { /* after one line of input, so that a resize can come before */
        char line[16];
        struct winsize size = {0};
        if (read(0, line, sizeof line) < 0 || ioctl(1, TIOCGWINSZ, &size) < 0) return 1;
        printf("%dx%d", size.ws_col, size.ws_row);
        return 0;
    }
    if (!strcmp(what, "bytes")) { /* every byte, the low ones first */
        for (int byte = 0; byte < 256; byte++) putchar(byte);
        return 0;
    }
    fprintf(stderr, "unknown: %s\n", what);
    return 64;
}
