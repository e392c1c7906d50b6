/* Read pictures on a computer: cc $name.c main.c && ./a.out picture.$suffix
 *
 * Takes binary $magic files ($suffix, 8 bits). Those of another size are brought to
 * $width x $height by averaging; dark strokes on light paper are inverted. */
#include "$name.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CHANNELS = ${NAME}_CHANNELS,
    HEIGHT = ${NAME}_HEIGHT,
    WIDTH = ${NAME}_WIDTH,
    INVERT = $invert /* whether light borders mean paper */
};

/* Read a number of the header, skipping comments; -1 if there is none. */
static long read_number(FILE *file)
{
    long number;
    int c;

    while ((c = fgetc(file)) == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '#')
        if (c == '#')
            while ((c = fgetc(file)) != '\n' && c != EOF)
                ;
    ungetc(c, file);
    return fscanf(file, "%5ld", &number) == 1 ? number : -1;
}

/* Average the pixels of the picture that fall on each pixel of the image. */
static void reduce(const uint8_t *picture, long width, long height, uint8_t *image)
{
    long y, x, c, row, column;

    for (y = 0; y < HEIGHT; y++)
        for (x = 0; x < WIDTH; x++)
            for (c = 0; c < CHANNELS; c++) {
                const long top = y * height / HEIGHT, left = x * width / WIDTH;
                const long bottom = (y + 1) * height / HEIGHT, right = (x + 1) * width / WIDTH;
                long sum = 0, n = 0;
                for (row = top; row < bottom || row == top; row++)
                    for (column = left; column < right || column == left; column++, n++)
                        sum += picture[(row * width + column) * CHANNELS + c];
                image[(y * WIDTH + x) * CHANNELS + c] = (uint8_t)(sum / n);
            }
}

/* Invert an image whose border is lighter than half, as paper is. */
static void invert_paper(uint8_t *image)
{
    long sum = 0, n = 0;
    int i, y, x;

    for (y = 0; y < HEIGHT; y++)
        for (x = 0; x < WIDTH; x++)
            if (y == 0 || x == 0 || y == HEIGHT - 1 || x == WIDTH - 1) {
                sum += image[(y * WIDTH + x) * CHANNELS];
                n++;
            }
    if (sum > n * 127)
        for (i = 0; i < HEIGHT * WIDTH * CHANNELS; i++)
            image[i] = (uint8_t)(255 - image[i]);
}

/* Read a picture into an image; returns what is wrong, or NULL. */
static const char *read_image(const char *path, uint8_t *image)
{
    FILE *file = fopen(path, "rb");
    const char *fault = NULL;
    uint8_t *picture = NULL;
    long width, height, most;

    if (!file)
        return "cannot be opened";
    if (fgetc(file) != 'P' || fgetc(file) != '$digit') {
        fault = "is no binary $magic file";
    } else {
        width = read_number(file), height = read_number(file), most = read_number(file);
        fgetc(file);
        if (width < 1 || height < 1 || most < 1 || most > 255 || width * height > 100000000L)
            fault = "has a header that cannot be read";
        else if (!(picture = malloc((size_t)(width * height * CHANNELS))))
            fault = "is too large";
        else if (fread(picture, (size_t)(width * CHANNELS), (size_t)height, file) != (size_t)height)
            fault = "is cut short";
        else
            reduce(picture, width, height, image);
    }
    free(picture);
    fclose(file);
    return fault;
}

int main(int count, char **arguments)
{
    static uint8_t image[HEIGHT * WIDTH * CHANNELS];
    int i, failed = 0;

    if (count < 2) {
        fprintf(stderr, "usage: %s picture.$suffix ...\n", arguments[0]);
        return 2;
    }
    for (i = 1; i < count; i++) {
        const char *fault = read_image(arguments[i], image);
        if (fault) {
            fprintf(stderr, "%s %s\n", arguments[i], fault);
            failed = 1;
        } else {
            if (INVERT)
                invert_paper(image);
            printf("%s\n", ${name}_names[${name}_predict(image, NULL)]);
        }
    }
    return failed;
}
