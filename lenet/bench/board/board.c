/* A program for an emulated Cortex-M: reads images from the host, writes each one's logits and the
 * ticks of the clock that a prediction took. */
#include NETWORK

#include <stddef.h>

enum { OPEN = 0x01, WRITE = 0x05, READ = 0x06, EXIT = 0x18 };

/* Ask the host to do something (Arm's semihosting). */
static int ask(int what, const void *arguments)
{
    register int result __asm__("r0") = what;
    register const void *given __asm__("r1") = arguments;

    __asm__ volatile("bkpt 0xab" : "+r"(result) : "r"(given) : "memory");
    return result;
}

static int open_console(uint32_t mode)
{
    const uint32_t arguments[] = {(uint32_t)":tt", mode, 3};

    return ask(OPEN, arguments);
}

static int transfer(int what, int file, const void *bytes, size_t n)
{
    const uint32_t arguments[] = {(uint32_t)file, (uint32_t)bytes, n};

    return ask(what, arguments);  /* how many bytes were not read or written */
}

static void run(void)
{
    static uint8_t image[PIXELS];
    static int32_t logits[CLASSES + 1];
    volatile uint32_t *const clock = (uint32_t *)0xe000e010; /* control, reload, value */
    const int in = open_console(1), out = open_console(5);

    clock[1] = 0xffffff;
    clock[0] = 5;
    while (transfer(READ, in, image, sizeof image) == 0) {
        clock[2] = 0;
        PREDICT(image, logits);
        logits[CLASSES] = (int32_t)(0xffffff - clock[2]);
        transfer(WRITE, out, logits, sizeof logits);
    }
    ask(EXIT, (const void *)0x20026);
}

extern char stack_end[];

__attribute__((section(".vectors"), used)) static void *const vectors[] = {stack_end, run};
