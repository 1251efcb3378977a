//! stdout-sha256: 4bd69805a3b5a521c77aa44b279ef1a1cdbb896a6820ed46e0400f7c79462762
// More output than a pipe holds, in pieces of growing size: every byte once and in order.
#include <unistd.h>

static char piece[5000];

enum { TOTAL = 300000 };

int main(void) {
    long done = 0;
    for (long bytes = 1; done < TOTAL; bytes = bytes % 4999 + 7) {
        long count = 0;
        while (count < bytes && done + count < TOTAL) {
            piece[count] = (char)('a' + (done + count) % 26);
            count++;
        }
        for (long sent = 0; sent < count;) {
            const ssize_t n = write(1, piece + sent, (size_t)(count - sent));
            if (n <= 0) {
                return 1;
            }
            sent += n;
        }
        done += count;
    }
    return 0;
}
